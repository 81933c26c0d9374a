"""`emberline targets`: what edits of text should write, proposed by rules and reviewed by people."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.metrics.text.extract import propose
from benchmarks.metrics.text.targets import TextTarget, merged, read_targets, reviewed, write_targets
from benchmarks.suites.catalogue import SUITES, load_suite
from benchmarks.suites.item import SuiteError
from benchmarks.suites.suite import Suite

TEXT = "text"
"""What the tasks of text edits begin with, in all suites that have some besides others."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ANYTHING = click.Path(exists=True, path_type=Path)


@click.group()
def targets() -> None:
    """Curate what the text metric looks for.

    \b
    Example:
      emberline targets propose --suite rededit --lang zh --data rededit_bench --out targets-zh.jsonl
      emberline targets list targets-zh.jsonl
      emberline targets confirm targets-zh.jsonl 1370 1371
      emberline bench --suite rededit --lang zh ... --text targets-zh.jsonl

    The file has one JSON object a line; edit old, new and keep in any editor. A proposal is scored, and every
    report says how many there were; a rejected row is not scored.
    """


@targets.command("propose")
@click.option("--suite", "name", required=True, type=click.Choice(list(SUITES)), help="Which benchmark.")
@click.option("--data", required=True, type=ANYTHING, help="Your copy of the benchmark's official files.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    help="Take these tasks [default: that which begins with text, or all].",
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file.")
def propose_command(name: str, data: Path, lang: str, tasks: tuple[str, ...], out: Path) -> None:
    """Write a proposal for each edit of text; rows that a person has decided stay as they are.

    \b
    Example:
      emberline targets propose --suite rededit --lang zh --data rededit_bench --out targets-zh.jsonl
    """
    with _told_plainly():
        suite = load_suite(name, data=data, images=None, lang=lang)
        found = proposals(suite, tasks)
        rows = merged(read_targets(out) if out.exists() else [], found)
        write_targets(out, rows)
    usable = sum(bool(row.wanted) for row in rows)
    doubtful = sum(bool(row.note) and row.review == "proposed" for row in rows)
    click.echo(
        f"{out}: {len(rows)} rows, {usable} with a text to look for, {doubtful} with a doubt noted, "
        f"{_unreviewed(rows)} to review."
    )


@targets.command("list")
@click.argument("file", type=FILE)
@click.option(
    "--review",
    type=click.Choice(["proposed", "confirmed", "rejected", "any"]),
    default="proposed",
    show_default=True,
)
def list_command(file: Path, review: str) -> None:
    """Show rows, the unreviewed ones unless told otherwise.

    \b
    Example:
      emberline targets list targets-zh.jsonl --review any
    """
    with _told_plainly():
        rows = read_targets(file)
    table = Table(title=f"{file.name}: {_counts(rows)}", title_justify="left")
    for column in ("id", "op", "old", "new", "keep", "review", "note"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if review in ("any", row.review):
            texts = ["\n".join(part) for part in (row.old, row.new, row.keep)]
            table.add_row(row.id, row.op, *texts, row.review, row.note)
    Console(width=None if sys.stdout.isatty() else 160).print(table, markup=False)


@targets.command("confirm")
@click.argument("file", type=FILE)
@click.argument("ids", nargs=-1)
@click.option(
    "--all-without-doubt",
    is_flag=True,
    help="Also all proposals that have a text and no note; read them first.",
)
def confirm_command(file: Path, ids: tuple[str, ...], all_without_doubt: bool) -> None:
    """Mark rows as checked by a person.

    \b
    Example:
      emberline targets confirm targets-zh.jsonl 1370 1371
    """
    with _told_plainly():
        rows = read_targets(file)
        plain = [row.id for row in rows if row.review == "proposed" and row.wanted and not row.note]
        chosen = [*ids, *(plain if all_without_doubt else [])]
        write_targets(file, reviewed(rows, chosen, "confirmed"))
    click.echo(_counts(read_targets(file)))


@targets.command("reject")
@click.argument("file", type=FILE)
@click.argument("ids", nargs=-1, required=True)
def reject_command(file: Path, ids: tuple[str, ...]) -> None:
    """Leave rows out of the metric.

    \b
    Example:
      emberline targets reject targets-zh.jsonl 1372
    """
    with _told_plainly():
        write_targets(file, reviewed(read_targets(file), ids, "rejected"))
    click.echo(_counts(read_targets(file)))


def proposals(suite: Suite, tasks: tuple[str, ...] = ()) -> list[TextTarget]:
    """Returns a proposal for each item of some tasks.

    Raises:
        SuiteError: the suite has no such task.
    """
    kinds = {item.kind for item in suite.items}
    missing = sorted(set(tasks) - kinds)
    if missing:
        raise SuiteError(f"{suite.title} has no task {missing[0]!r}. It has {', '.join(sorted(kinds))}.")
    textual = {kind for kind in kinds if kind.startswith(TEXT)}
    chosen = set(tasks) or (textual if len(textual) == 1 else kinds)
    return [
        propose(item.sample_id, item.instruction, item.lang) for item in suite.items if item.kind in chosen
    ]


def _counts(rows: list[TextTarget]) -> str:
    counted = Counter(row.review for row in rows)
    return ", ".join(f"{counted[review]} {review}" for review in ("confirmed", "proposed", "rejected"))


def _unreviewed(rows: list[TextTarget]) -> int:
    return sum(row.review == "proposed" for row in rows)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Shows the user's own mistakes as messages, without a traceback."""
    try:
        yield
    except SuiteError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    targets()
