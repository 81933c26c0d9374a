"""Every figure of the structure, on small trees of files where it holds and where it does not."""

import pytest

from benchmarks.perf import house
from benchmarks.perf.house import (
    PACKAGES,
    edges_figure,
    import_figures,
    load_figure,
    name_figures,
    percentile,
    size_figures,
)
from benchmarks.perf.sources import find_imports, read_sources


@pytest.fixture
def tree(tmp_path):
    """Writes files, named by their paths with `__` for a slash, and returns them as sources."""

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / f"{name if '/' in name else name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return read_sources(tmp_path, PACKAGES)

    return write


def figure(figures, name):
    return next(one for one in figures if one.name == name)


@pytest.mark.parametrize(
    ("file", "statement", "name"),
    [
        ("assets__dedup__pairs", "from assets.filtered.decide import a", "assets.upward_imports"),
        ("assets__dedup__pairs", "def f():\n    from assets.filtered import decide", "assets.upward_imports"),
        ("assets__dedup__pairs", "from ..filtered.decide import a", "assets.upward_imports"),
        ("assets__nowhere__pairs", "import assets.filtered.decide", "assets.upward_imports"),
        ("models__a", "from assets.filtered.decide import a", "packages.upward_imports"),
        ("trainers__a", "from benchmarks.scoring import table", "packages.upward_imports"),
        ("orchestration__a", "from benchmarks.perf import speed", "packages.upward_imports"),
    ],
)
def test_an_import_against_the_order_is_counted_wherever_it_stands(tree, file, statement, name):
    others = dict.fromkeys(
        ("assets__filtered__decide", "benchmarks__scoring__table", "benchmarks__perf__speed"), ""
    )
    figures = import_figures(tree(**others, **{file: statement}))
    assert {one.name: one.value for one in figures if not one.holds} == {name: 1}


def test_imports_down_the_order_and_those_of_perf_are_allowed(tree):
    figures = import_figures(
        tree(
            assets__lake__ids="",
            assets__filtered__decide="from assets.lake import ids\nimport models.a\nimport numpy\n",
            orchestration__run="import assets.filtered.decide\n",
            benchmarks__perf__speed="from orchestration import run\n",
            models__a="",
        )
    )
    assert [one.value for one in figures] == [0, 0, 0]
    assert all(one.holds for one in figures)


def test_an_import_is_of_the_module_whether_it_or_a_name_in_it_is_named(tree):
    sources = tree(models__a="", models__b="from models import a\nfrom models.a import x\nimport models.a\n")
    assert [(one.importer, one.imported, one.location) for one in find_imports(sources)] == [
        ("models.b", "models.a", f"models/b.py:{line}") for line in (1, 2, 3)
    ]


def test_three_modules_in_a_ring_are_one_cycle(tree):
    ring = {
        "models__a": "import models.b",
        "models__b": "import models.c",
        "models__c": "from models import a",
    }
    cycles = figure(import_figures(tree(**ring, models__d="import models.a")), "import_cycles")
    assert (cycles.value, cycles.holds) == (1, False)


@pytest.mark.parametrize(
    "later", ["def f():\n    import models.a", "if TYPE_CHECKING:\n    from models.a import A"]
)
def test_an_import_that_loading_does_not_run_closes_no_cycle(tree, later):
    figures = import_figures(tree(models__a="import models.b", models__b=later))
    assert figure(figures, "import_cycles").value == 0


def test_edges_are_the_distinct_parents_of_every_asset():
    assert edges_figure({"a": [], "b": ["a"], "c": ["a", "b", "a"]}).value == 3
    assert edges_figure({str(number): ["a"] for number in range(40)}).holds
    assert not edges_figure({str(number): ["a"] for number in range(41)}).holds


def test_a_percentile_is_a_value_that_occurs():
    assert percentile(range(1, 11), 0.9) == 9
    assert percentile([7], 0.9) == 7
    assert percentile([], 0.9) == 0


def test_a_large_file_needs_a_reason_and_there_are_three_at_most(tree):
    sources = tree(models__a="a = 1\n" * 401, models__b="b = 1\n" * 400)
    assert not figure(size_figures(sources, {}), "files.over_400").holds
    assert figure(size_figures(sources, {"models/a.py": "a table"}), "files.over_400").holds
    many = tree(**{f"models__{name}": "a = 1\n" * 401 for name in "abcd"})
    reasons = {f"models/{name}.py": "a table" for name in "abcd"}
    assert not figure(size_figures(many, reasons), "files.over_400").holds
    assert not figure(size_figures(many, reasons), "files.p90_lines").holds


def test_small_files_count_and_empty_packages_do_not(tree):
    sources = tree(models__a="a = 1\n" * 24, models__b="b = 1\n" * 25, **{"models/__init__": ""})
    assert figure(size_figures(sources), "files.under_25").value == 1
    many = tree(**{f"models__f{number}": "a = 1\n" for number in range(9)})
    assert not figure(size_figures(many), "files.under_25").holds


def test_the_length_of_a_function_is_its_lines_with_those_inside_it(tree):
    long = "class A:\n    async def f(self) -> None:\n" + "        a = 1\n" * 40
    assert figure(size_figures(tree(models__a=long)), "functions.p90_lines").value == 41
    assert not figure(size_figures(tree(models__a=long)), "functions.p90_lines").holds
    short = tree(models__a="@cached\ndef f() -> int:\n    return 1\n")
    assert figure(size_figures(short), "functions.p90_lines").value == 2


def test_every_function_needs_a_return_annotation(tree):
    sources = tree(models__a="def f() -> int:\n    def g(): ...\n    return 1\n")
    annotated = figure(size_figures(sources), "annotated_returns")
    assert (annotated.value, annotated.holds) == (0.5, False)
    assert figure(size_figures(tree(models__a="def f() -> None: ...\n")), "annotated_returns").holds


def test_comments_for_people_count_alone_or_beside_code(tree):
    text = '# a reason\na = "# not one"  # another\nb = 1  # noqa: S101\nc = 1  # pyright: ignore\n'
    assert figure(size_figures(tree(models__a=text)), "comment_lines").value == 0.5


def test_definitions_that_load_slowly_do_not_hold():
    assert load_figure(3.0).holds
    assert not load_figure(3.1).holds


def test_a_name_with_two_definitions_needs_a_reason(tree):
    sources = tree(
        models__a="class Judge: ...\ndef _private(): ...\n",
        trainers__a="class Judge: ...\ndef _private(): ...\nclass Other:\n    def Judge(self): ...\n",
    )
    (names,) = name_figures(sources, {})
    assert (names.value, names.holds) == (1, False)
    assert name_figures(sources, {"Judge": "one is a person"})[0].holds
    many = tree(**{f"models__{module}": "\n".join(f"def f{n}(): ..." for n in range(11)) for module in "bc"})
    assert not name_figures(many, {f"f{number}": "a reason" for number in range(11)} | {"Judge": ""})[0].holds


def test_a_verb_of_the_command_line_may_be_a_functions_name_elsewhere(tree):
    sources = tree(
        models__a="def serve(): ...\n",
        trainers__a="@click.command()\ndef serve(): ...\n",
        trainers__b="@rate.command('serve')\n@other\ndef serve(): ...\n",
    )
    assert name_figures(sources, {})[0].value == 0


def test_the_exit_status_says_whether_every_figure_holds(monkeypatch, tmp_path, tree):
    tree(models__a="def f() -> int:\n    return 1\n" * 25)
    monkeypatch.setattr(house, "REPOSITORY", tmp_path)
    monkeypatch.setattr(house, "asset_parents", lambda: {"b": ["a"]})
    monkeypatch.setattr(house, "load_seconds", lambda: 1.0)
    path = tmp_path / "house.json"
    assert house.main(["--json", str(path)]) == 0
    assert '"name": "homonyms"' in path.read_text()
    monkeypatch.setattr(house, "load_seconds", lambda: 3.5)
    assert house.main([]) == 1
