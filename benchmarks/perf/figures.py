"""How the scripts of this folder show what they measured: tables on the console, figures in a file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


def material() -> Path:
    """Returns the folder that EMBERLINE_TEST_DATA names, `../shared/data` where it names none."""
    return Path(os.environ.get("EMBERLINE_TEST_DATA", "../shared/data"))


class Figure(NamedTuple):
    """One measured value and whether it reaches its goal."""

    name: str
    value: float
    unit: str
    goal: str
    holds: bool


def show_table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table, columns as wide as their longest cell."""
    cells = [[_cell(value) for value in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_figures(figures: Sequence[Figure]) -> None:
    """Prints the figures with their goals."""
    rows = [(f.name, f.value, f.unit, f.goal, "yes" if f.holds else "NO") for f in figures]
    show_table("Figures", ("name", "value", "unit", "goal", "holds"), rows)


def write_figures(path: Path, figures: Sequence[Figure]) -> None:
    """Writes the figures as a JSON list of objects."""
    path.write_text(json.dumps([figure._asdict() for figure in figures], indent=1) + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
