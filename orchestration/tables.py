"""The tables of `emberline status` and the tree of `emberline explain`."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from trainers.stages.registry import STAGE_NAMES

SHORT = 100


def print_status(results: Mapping[str, Any], console: Console) -> None:
    """Prints the results in a home: a table for each part that exists, a line for each that is missing."""
    _funnel(results["funnel"], console)
    _mapping(
        "filters on the planted defects", results["filters"], ("precision", "recall", "planted"), console
    )
    _mapping("coverage of instructions", results["coverage"], ("before", "after"), console)
    _stages(results["stages"], console)
    _line("evaluator", results["evaluator"], console)
    _bench(results["bench"], results["bench_editors"], console)
    _registry(results["registry"], console)
    if results["disk_bytes"] is not None:
        console.print(f"{results['home']}: {results['disk_bytes'] / 2**20:.0f} MiB")


def print_history(history: Mapping[str, Any], console: Console) -> None:
    """Prints the history of an image or a sample as a tree."""
    identifier = history.get("sample_id") or history.get("image_id")
    kind = "sample" if "sample_id" in history else "image"
    tree = Tree(Text(f"{kind} {identifier}", style="bold"))
    for name, value in history.items():
        _add_branch(tree, name, value)
    console.print(tree)


def _add_branch(tree: Tree, name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        branch = tree.add(Text(name, style="bold"))
        for key, inner in value.items():
            _add_branch(branch, str(key), inner)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        branch = tree.add(Text.assemble((name, "bold"), f" ({len(value)})"))
        for row in value:
            branch.add(_short(", ".join(f"{key}={inner}" for key, inner in row.items() if inner is not None)))
    elif value not in (None, [], ""):
        tree.add(Text.assemble(f"{name}: ", _short(value)))


def _funnel(rows: Sequence[Mapping[str, Any]] | None, console: Console) -> None:
    if rows is None:
        console.print("funnel: not computed yet")
        return
    table = Table(title="funnel", title_justify="left")
    for column in ("stage", "in", "kept", "dropped by rule"):
        table.add_column(column, justify="right" if column in ("in", "kept") else "left")
    for row in rows:
        dropped = ", ".join(f"{rule} {count}" for rule, count in row["dropped"].items())
        table.add_row(row["stage"], str(row["in"]), str(row["kept"]), dropped)
    console.print(table)


def _bench(
    kinds: Mapping[str, Mapping[str, Mapping[str, Any]]] | None,
    means: Sequence[Mapping[str, Any]] | None,
    console: Console,
) -> None:
    if kinds is None or means is None:
        console.print("benchmark: not computed yet")
        return
    first_kind = next(iter(kinds.values()))
    editors = [stage for stage in STAGE_NAMES if stage in first_kind] or list(first_kind)
    table = Table(title="benchmark: latent error on held-out edits", title_justify="left")
    for column in ("edit kind", "copy baseline", *editors):
        table.add_column(column, justify="left" if column == "edit kind" else "right")
    for kind, figures in kinds.items():
        errors = [f"{figures[editor]['model_error']:.3f}" for editor in editors]
        table.add_row(kind, f"{figures[editors[0]]['copy_error']:.3f}", *errors)
    table.add_section()
    by_editor = {row["editor"]: row for row in means}
    errors = [f"{by_editor[editor]['model_error']:.3f}" for editor in editors]
    table.add_row("mean over kinds", f"{by_editor[editors[0]]['copy_error']:.3f}", *errors)
    console.print(table)


def _mapping(
    title: str, rows: Mapping[str, Mapping[str, Any]] | None, columns: Sequence[str], console: Console
) -> None:
    if rows is None:
        console.print(f"{title}: not computed yet")
        return
    table = Table(title=title, title_justify="left")
    for column in ("", *columns):
        table.add_column(column, justify="right" if column else "left")
    for name, row in rows.items():
        table.add_row(name, *(_cell(row.get(column)) for column in columns))
    console.print(table)


def _stages(rows: Sequence[Mapping[str, Any]] | None, console: Console) -> None:
    if rows is None:
        console.print("training stages: not computed yet")
        return
    table = Table(title="training stages", title_justify="left")
    for column in ("stage", "steps", "validation loss", "seconds", "samples/s", "ranks", "ZeRO", "version"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for row in rows:
        loss = f"{row['first_validation_loss']:.3f} to {row['last_validation_loss']:.3f}"
        speed = (f"{row['seconds']:.0f}", f"{row['samples_per_second']:.0f}")
        where = (str(row[name]) for name in ("world_size", "zero_stage", "version"))
        table.add_row(row["stage"], str(row["steps"]), loss, *speed, *where)
    console.print(table)


def _registry(registry: Mapping[str, Any] | None, console: Console) -> None:
    if registry is None:
        console.print("registry: not computed yet")
        return
    named = (
        f"{alias} version {entry['version']} ({entry['stage'] or 'of another home'})"
        for alias, entry in registry["aliases"].items()
    )
    console.print(f"registry: {registry['name']}, {', '.join(named) or 'no alias'}", soft_wrap=True)
    decision = registry["decision"]
    verb = "promoted" if decision["promoted"] else "did not promote"
    console.print(f"the last run {verb} its best version: {'; '.join(decision['reasons'])}", soft_wrap=True)
    for problem in registry["problems"]:
        console.print(f"not true any more: {problem}. Run again to correct it.", soft_wrap=True)


def _line(title: str, values: Mapping[str, Any] | None, console: Console) -> None:
    if values is None:
        console.print(f"{title}: not computed yet")
    else:
        console.print(f"{title}: " + ", ".join(f"{name} {_cell(value)}" for name, value in values.items()))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _short(value: Any) -> Text:
    """Returns a value as short text, in which a corpus can put neither markup nor terminal codes."""
    text = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(value))
    return Text(text if len(text) <= SHORT else f"{text[: SHORT - 1]}…")
