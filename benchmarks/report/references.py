"""Figures beside which a run is shown: the report's published tables, or what copying the source gives."""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import polars as pl

from benchmarks.protocols.protocol import Metric
from benchmarks.suites.suite import Suite

TABLES = "published_tables.json"

TASK_NAMES = {
    "imgedit_table3": {"Hybrid": "compose"},
    "rededit_cn_table5": {"BG": "background", "Low-level": "lowlevel"},
    "rededit_en_table6": {"BG": "background", "Low-level": "lowlevel"},
}
"""Columns of the published tables whose tasks have another name; the others are the task with a capital."""

GEDIT_COLUMNS = {
    "en": {"SC": "EN_SC", "PQ": "EN_PQ", "O": "EN_O"},
    "zh": {"SC": "CN_SC", "PQ": "CN_PQ", "O": "CN_O"},
}


@dataclass(frozen=True)
class Reference:
    """One row beside those of the run: figures by metric, and those of the headline by task.

    A row without figures is shown as one that was not judged.
    """

    name: str
    figures: Mapping[str, float]
    tasks: Mapping[str, float]


@dataclass(frozen=True)
class References:
    """Rows of one source, and what has to be known of it."""

    source: str
    note: str
    rows: tuple[Reference, ...] = ()


def published_tables() -> Mapping[str, Any]:
    """Returns the report's Tables 3 to 7 by name, each with source, note, header and rows."""
    return json.loads((files("benchmarks.report") / "static" / TABLES).read_text(encoding="utf-8"))


def published_references(suite: Suite) -> References:
    """Returns the published rows that belong to a suite; none where there are none."""
    if suite.published is None:
        return References("", "")
    table = published_tables()[suite.published]
    rows = [dict(zip(table["header"], row, strict=True)) for row in table["rows"]]
    if suite.published == "gedit_table4":
        columns = GEDIT_COLUMNS[suite.lang]
        references = [
            Reference(row["Model"], {name: row[column] for name, column in columns.items()}, {})
            for row in rows
        ]
    elif suite.published == "rededit_text_table7":
        references = [Reference(str(row.pop("Model")), row, {}) for row in rows]
    else:
        names = TASK_NAMES[suite.published]
        references = [_by_task(row, names) for row in rows]
    return References(table["source"], table["note"], tuple(references))


def copying_references(figures: pl.DataFrame, tasks: pl.DataFrame, headline: Metric) -> References:
    """Returns the row of the copy baseline from its output of `summarise`; no row if nothing was scored."""
    if figures.is_empty():
        return References("", "")
    values = dict(figures.drop_nulls("value").select("measure", "value").iter_rows())
    own = tasks.filter(pl.col("measure") == headline.name).drop_nulls("value")
    row = Reference(figures["model"][0], values, dict(own.select("task", "value").iter_rows()))
    return References("this run", "“Copying” hands the source back unedited; an edit should beat it.", (row,))


def comparable(references: References, measures: Set[str]) -> References:
    """Returns the rows that have one of some measures, or none at all; the others are on another scale."""
    rows = tuple(row for row in references.rows if not row.figures or measures & set(row.figures))
    return replace(references, rows=rows) if rows else References("", "")


def joined_references(first: References, second: References) -> References:
    """Returns the rows of both, with both sources and notes."""
    if not first.rows or not second.rows:
        return first if first.rows else second
    source, note = f"{first.source}; {second.source}", f"{first.note} {second.note}"
    return References(source, note, (*first.rows, *second.rows))


def _by_task(row: Mapping[str, Any], names: Mapping[str, str]) -> Reference:
    tasks = {
        names.get(column, column.lower()): value
        for column, value in row.items()
        if column not in ("Model", "Overall")
    }
    return Reference(row["Model"], {"score": row["Overall"]}, tasks)
