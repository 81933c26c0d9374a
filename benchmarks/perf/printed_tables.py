"""Averages that were printed beside the figures that they are averages of, computed again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.scoring.aggregate import RULES, AveragingRule, Scored, aggregate

TOLERANCE = 0.01
"""Of the report's Tables 3, 5 and 6: some rows were rounded, others cut."""

TABLES = {
    "imgedit_table3": "Table 3",
    "rededit_cn_table5": "Table 5",
    "rededit_en_table6": "Table 6",
}

REASONS = {
    (
        "imgedit_table3",
        "MagicBrush",
    ): "an error of the ImgEdit paper that later tables inherited: the macro mean "
    "is 1.83, the mean over samples 1.89",
}
"""Rows whose printed overall is not the mean of their printed categories, and why."""


class PrintedRow(NamedTuple):
    """One printed row. `agrees` allows for the digits that were printed."""

    table: str
    name: str
    printed: float
    found: float
    agrees: bool
    reason: str


def report_rows(tables: Mapping[str, Any]) -> list[PrintedRow]:
    """Returns each row of the report's Tables 3, 5 and 6 with the macro mean of its categories.

    Args:
        tables: as in `firered_report_tables.json`: name to header and rows.
    """
    rows = []
    for key, title in TABLES.items():
        header = tables[key]["header"]
        for cells in tables[key]["rows"]:
            row = dict(zip(header, cells, strict=True))
            name, printed = str(row.pop("Model")), float(row.pop("Overall"))
            found = _overall(row, RULES["strict"])
            agrees = abs(found - printed) <= TOLERANCE + 1e-9
            rows.append(PrintedRow(title, name, printed, found, agrees, REASONS.get((key, name), "")))
    return rows


def gedit_rows(logs: Mapping[str, Any]) -> list[PrintedRow]:
    """Returns the printed averages of SC, PQ and O of a GEdit-Bench run with the macro means of its groups.

    Args:
        logs: name to `rows` (group to SC, PQ, O) and `published_average`.
    """
    rows = []
    for name, log in logs.items():
        for place, metric in enumerate(("SC", "PQ", "O")):
            groups = {group: figures[place] for group, figures in log["rows"].items()}
            printed, found = log["published_average"][place], _overall(groups, RULES["gedit"])
            rows.append(PrintedRow(name, metric, printed, found, found == printed, ""))
    return rows


def _overall(tasks: Mapping[str, float], rule: AveragingRule) -> float:
    overall = aggregate([Scored(task, (float(value),)) for task, value in tasks.items()], rule).overall
    assert overall is not None, tasks
    return overall
