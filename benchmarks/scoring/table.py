"""The one table of scores: a row for each model, sample, measure, view and repeat, whoever scored it."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric
from benchmarks.suites.item import BenchItem

MEASURED = "measured"
"""The view of figures that no judge has a say in."""

COPYING = "Copying the source"
"""The model of the rows of the copy baseline."""

Value = float | Reading | None
"""What a metric gives for an output: a figure; the state that it is in instead, which counts as missing; or
null where the measure does not apply to the item, whatever a model made of it: then there is no row."""

SCORES = {
    "model": pl.String(),
    "sample_id": pl.String(),
    "task": pl.String(),
    "category": pl.String(),
    "cluster": pl.String(),
    "measure": pl.String(),
    "view": pl.String(),
    "repeat": pl.Int32(),
    "state": pl.String(),
    "values": pl.List(pl.Float64()),
    "note": pl.String(),
    "replies": pl.List(pl.String()),
}
"""`values` are empty unless `state` is ok; `replies` are the keys of the stored replies behind them."""


def score_row(
    model: str,
    item: BenchItem,
    metric: str,
    *,
    view: str,
    repeat: int,
    reading: Reading,
    replies: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns one row of SCORES."""
    return {
        "model": model,
        "sample_id": item.sample_id,
        "task": item.kind,
        "category": item.category,
        "cluster": item.cluster or item.sample_id,
        "measure": metric,
        "view": view,
        "repeat": repeat,
        "state": str(reading.state),
        "values": list(reading.scores),
        "note": reading.note,
        "replies": list(replies),
    }


def score_table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Returns rows as a table whose order says nothing about when they were made."""
    table = pl.DataFrame(list(rows), schema=SCORES, orient="row")
    return table.sort("model", "measure", "view", "task", "sample_id", "repeat", maintain_order=True)


def measured_rows(
    model: str,
    items: Sequence[BenchItem],
    values: Mapping[str, Mapping[str, Value]],
    metrics: Sequence[Metric],
) -> list[dict[str, Any]]:
    """Returns rows of figures that need no judge.

    Args:
        model: that made the outputs.
        items: all that the metrics apply to.
        values: sample id to measure to value; an item that is missing has no output.
        metrics: which.
    """
    rows = []
    for item in items:
        found = values.get(item.sample_id)
        for metric in metrics:
            value = Reading(State.MISSING_OUTPUT) if found is None else found.get(metric.name)
            if value is None:
                continue
            reading = value if isinstance(value, Reading) else Reading(State.OK, (value,))
            rows.append(score_row(model, item, metric.name, view=MEASURED, repeat=0, reading=reading))
    return rows
