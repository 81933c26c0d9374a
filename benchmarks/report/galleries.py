"""Which samples a report shows first: the best, the worst, and those that are judged most differently."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Metric

EXTREMES = 6
"""How many of each model's best and worst, and twice so many of the disputed, are shown."""


@dataclass(frozen=True)
class Gallery:
    """A row of samples with a heading."""

    title: str
    sample_ids: Sequence[str]


def galleries(scores: pl.DataFrame, metric: Metric, models: Sequence[str]) -> list[Gallery]:
    """Returns the best and the worst of each model by a metric, and the most disputed over all.

    Args:
        scores: rows of `benchmarks.scoring.table.SCORES`.
        metric: the headline.
        models: in reading order.
    """
    values = sample_values(scores, metric.name)
    shown = []
    for model in models:
        own = values.filter(pl.col("model") == model).sort(
            "value", "sample_id", descending=[metric.higher_is_better, False]
        )
        ids = own["sample_id"].to_list()
        if ids:
            shown.append(Gallery(f"Best of {model}", ids[:EXTREMES]))
            shown.append(Gallery(f"Worst of {model}", ids[::-1][:EXTREMES]))
    ids = disputed(values)[: 2 * EXTREMES]
    return [*shown, Gallery("Most disputed", ids)] if ids else shown


def sample_values(scores: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Returns model, sample_id, mean `value`, and `low` and `high` over views and repeats, where scored."""
    return (
        scores.filter((pl.col("measure") == metric) & (pl.col("state") == State.OK))
        .with_columns(pl.col("values").list.mean().alias("one"))
        .group_by("model", "sample_id", maintain_order=True)
        .agg(
            pl.col("one").mean().alias("value"),
            pl.col("one").min().alias("low"),
            pl.col("one").max().alias("high"),
        )
    )


def disputed(values: pl.DataFrame) -> list[str]:
    """Returns samples by how far values lie apart over models, views and repeats, without agreed ones."""
    apart = values.group_by("sample_id").agg((pl.col("high").max() - pl.col("low").min()).alias("gap"))
    ordered = apart.filter(pl.col("gap") > 1e-9).sort("gap", "sample_id", descending=[True, False])
    return ordered["sample_id"].to_list()


def spread_over(values: pl.DataFrame, tasks: pl.DataFrame, count: int) -> dict[str, list[str]]:
    """Returns task to sample ids from the lowest value to the highest, evenly spread where there are more.

    Args:
        values: sample_id and value of one model.
        tasks: sample_id and task.
        count: at most so many of each task; the lowest and the highest are always among them.
    """
    chosen = {}
    by_task = values.join(tasks.unique("sample_id"), on="sample_id").sort("task", "value", "sample_id")
    for (task,), rows in by_task.group_by("task", maintain_order=True):
        ids = rows["sample_id"].to_list()
        places = np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int)
        chosen[str(task)] = [ids[place] for place in places]
    return chosen
