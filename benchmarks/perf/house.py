"""The structure of the code: imports, the asset graph, sizes of files and functions, names.

    python -m benchmarks.perf.house --json house.json

The figures come from the syntax trees of the five packages, without tests. The asset graph and the time
that its definitions take to load come from `orchestration.definitions` with the profile `demo` and a
temporary home.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.perf.figures import Figure, show_figures, show_table, write_figures
from benchmarks.perf.sources import (
    Import,
    Source,
    comment_share,
    find_imports,
    function_lines,
    functions_of,
    homonyms,
    import_cycles,
    read_sources,
)
from orchestration.definitions import ASSET_MODULES

REPOSITORY = Path(__file__).parents[2]

PACKAGES = {"models": 0, "trainers": 1, "benchmarks": 1, "assets": 2, "orchestration": 3}
"""The level of each package. A module imports its own package and lower levels (DESIGN.md, section 2)."""

EXEMPT = "benchmarks.perf"
"""Measures everything and may import everything; no other module imports it."""

LINEAGE = ("lake", "engine", *ASSET_MODULES)
"""The sub-packages of `assets`, lowest first. Each imports itself and those before it."""

LARGE, SMALL = 400, 25
"""Lines. A file above the first or below the second probably holds the wrong things."""

LARGE_FILES: Mapping[str, str] = {}
"""Files above `LARGE` lines that stay so, with the reason."""

HOMONYMS: Mapping[str, str] = {
    "main": "entry point of a script or module that runs with `python -m`",
}
"""Names that two modules may define, with the reason."""

NO_REASON = "NO REASON"

LOAD = """
import time
start = time.perf_counter()
from orchestration.definitions import defs
defs()
print("seconds", time.perf_counter() - start)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if every figure holds, otherwise 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    sources = read_sources(REPOSITORY, PACKAGES)
    figures = [
        *import_figures(sources),
        edges_figure(asset_parents()),
        *size_figures(sources),
        load_figure(load_seconds()),
        *name_figures(sources),
    ]
    show_figures(figures)
    if options.json:
        write_figures(options.json, figures)
    return 0 if all(figure.holds for figure in figures) else 1


def import_figures(sources: Sequence[Source]) -> list[Figure]:
    """Returns the number of imports against the order and of groups of modules that import each other.

    Imports against the order count anywhere in a file. Cycles count only imports that loading a module
    runs: an import inside a function or under `TYPE_CHECKING` cannot fail because of a cycle.
    """
    imports = list(find_imports(sources))
    in_assets, between = upward_in_assets(imports), upward_between_packages(imports)
    cycles = import_cycles(imports)
    rows = [(one.location, one.importer, one.imported) for one in (*in_assets, *between)]
    _show_rows("Imports against the order", ("location", "module", "imports"), rows)
    _show_rows("Modules that import each other", ("modules",), [(" ".join(cycle),) for cycle in cycles])
    return [
        _at_most("assets.upward_imports", len(in_assets), "imports", 0),
        _at_most("packages.upward_imports", len(between), "imports", 0),
        _at_most("import_cycles", len(cycles), "groups of modules", 0),
    ]


def edges_figure(parents: Mapping[str, Iterable[str]]) -> Figure:
    """Returns the number of edges of an asset graph, given the parents of each asset."""
    return _at_most("assets.edges", sum(len(set(keys)) for keys in parents.values()), "edges", 40)


def size_figures(sources: Sequence[Source], reasons: Mapping[str, str] = LARGE_FILES) -> list[Figure]:
    """Returns the figures of file sizes, function sizes, return annotations and comments.

    Args:
        sources: the files. `__init__.py` files do not count as files, but their functions count.
        reasons: why a file may have more than `LARGE` lines; without a reason, the figure does not hold.
    """
    files = {source.path: source.lines for source in sources if not source.is_package}
    large = sorted(path for path, lines in files.items() if lines > LARGE)
    small = sorted(path for path, lines in files.items() if lines < SMALL)
    rows = [(path, files[path], reasons.get(path, NO_REASON)) for path in large]
    rows += [(path, files[path], "") for path in small]
    _show_rows(f"Files above {LARGE} or below {SMALL} lines", ("file", "lines", "reason"), rows)
    explained = all(path in reasons for path in large)
    functions = functions_of(sources)
    annotated = sum(node.returns is not None for node in functions) / max(1, len(functions))
    return [
        _at_most("files.p90_lines", percentile(files.values(), 0.9), "lines", 400),
        Figure("files.over_400", len(large), "files", "<= 3, with reasons", len(large) <= 3 and explained),
        _at_most("files.under_25", len(small), "files", 8),
        _at_most("functions.p90_lines", percentile(map(function_lines, functions), 0.9), "lines", 40),
        Figure("annotated_returns", annotated, "of functions", ">= 0.98", annotated >= 0.98),
        Figure("comment_lines", comment_share(sources), "of lines", "reported", True),
    ]


def load_figure(seconds: float) -> Figure:
    """Returns the figure of the time that the definitions take to load."""
    return _at_most("definitions.load_seconds", seconds, "s", 3)


def name_figures(sources: Sequence[Source], reasons: Mapping[str, str] = HOMONYMS) -> list[Figure]:
    """Returns the number of public names that two modules define.

    Args:
        sources: the files.
        reasons: why a name may have two definitions; without a reason, the figure does not hold.
    """
    names = homonyms(sources)
    rows = [(name, reasons.get(name, NO_REASON), " ".join(modules)) for name, modules in names.items()]
    _show_rows("Names with two or more definitions", ("name", "reason", "modules"), rows)
    holds = len(names) <= 10 and all(name in reasons for name in names)
    return [Figure("homonyms", len(names), "names", "<= 10, with reasons", holds)]


def upward_in_assets(imports: Iterable[Import]) -> list[Import]:
    """Returns the imports inside `assets` from a sub-package by one that stands before it in the lineage.

    An import from or by a sub-package that `LINEAGE` does not list counts as well.
    """
    return [
        one
        for one in imports
        if one.importer.startswith("assets.") and one.imported.startswith("assets.")
        if not _goes_down(one.importer.split(".")[1], one.imported.split(".")[1])
    ]


def upward_between_packages(imports: Iterable[Import]) -> list[Import]:
    """Returns the imports from another package of the same or a higher level, or from `benchmarks.perf`."""
    return [
        one
        for one in imports
        if not _is_exempt(one.importer)
        if _is_exempt(one.imported) or not _may_import(one.importer.split(".")[0], one.imported.split(".")[0])
    ]


def asset_parents() -> dict[str, set[str]]:
    """Returns the keys of the parents of each asset of the profile `demo`."""
    from orchestration.definitions import build_definitions
    from orchestration.environment import quiet
    from orchestration.profile import load_profile

    quiet()
    with tempfile.TemporaryDirectory() as home:
        graph = build_definitions(load_profile("demo"), Path(home)).resolve_asset_graph()
        return {
            key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
            for key in graph.get_all_asset_keys()
        }


def load_seconds(tries: int = 3) -> float:
    """Returns the seconds that a fresh interpreter takes to load the definitions of the profile `demo`.

    Args:
        tries: how many interpreters are started. The fastest counts: the first one reads the libraries from
            the disk, and other work on the machine slows any of them down.
    """
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"EMBERLINE_PROFILE": "demo", "EMBERLINE_HOME": home}
        environment.pop("EMBERLINE_IMAGES", None)
        return min(_loading(environment) for _ in range(tries))


def percentile(values: Iterable[int], share: float) -> int:
    """Returns the smallest value that at least this share of the values does not exceed, 0 without values."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0


def _at_most(name: str, value: float, unit: str, limit: int) -> Figure:
    return Figure(name, value, unit, str(limit) if limit == 0 else f"<= {limit}", value <= limit)


def _show_rows(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        show_table(title, header, rows)


def _goes_down(importer: str, imported: str) -> bool:
    if importer not in LINEAGE or imported not in LINEAGE:
        return False
    return LINEAGE.index(imported) <= LINEAGE.index(importer)


def _may_import(importer: str, imported: str) -> bool:
    return importer == imported or PACKAGES[imported] < PACKAGES[importer]


def _is_exempt(module: str) -> bool:
    return module == EXEMPT or module.startswith(f"{EXEMPT}.")


def _loading(environment: Mapping[str, str]) -> float:
    command = [sys.executable, "-c", LOAD]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    sys.exit(main())
