"""The results of a study on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

TABLES = {
    "means": ("dimension", "model", "mean", "low", "high", "spread", "items", "ratings", "missing_worst"),
    "strengths": ("dimension", "model", "strength", "win_rate", "win_rate_low", "win_rate_high"),
    "pairs": ("dimension", "first", "second", "wins", "ties", "losses"),
    "agreement": ("dimension", "model", "alpha_ordinal", "alpha_interval", "kappa", "kappa_items"),
    "positions": ("dimension", "leans", "p"),
    "raters": (
        "rater", "items", "median_seconds", "offset", "correlation", "unedited_right", "duplicate_gap",
    ),
}  # fmt: skip


def print_results(found: Mapping[str, Any], console: Console) -> None:
    """Prints the figures of `benchmarks.rating.results.results`, a table for each kind."""
    coverage = found["coverage"]
    console.print(
        f"{found['title']}: {coverage['items_with_all_raters']} of {coverage['items']} items have "
        f"{coverage['raters_wanted']} raters; {coverage['answers']} answers."
    )
    if not found["complete"]:
        console.print("The models are named once every item has its raters.")
    for name, columns in TABLES.items():
        if found[name]:
            console.print(_table(name, columns, found[name]))


def _table(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right" if column in _NUMBERS else "left")
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    return table


_NUMBERS = {column for columns in TABLES.values() for column in columns} - {
    "dimension", "model", "first", "second", "leans",
}  # fmt: skip


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{one:+.2f}" for one in value)
    if isinstance(value, float):
        return f"{value:.2f}"
    return "–" if value is None else str(value)
