"""Which samples a report shows first: the best, the worst, and those that are judged most differently."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Measure

EXTREMES = 6
"""How many of each model's best and worst, and twice so many of the disputed, are shown."""


@dataclass(frozen=True)
class Shelf:
    """A row of samples with a heading."""

    title: str
    sample_ids: Sequence[str]


def shelves(scores: pl.DataFrame, measure: Measure, models: Sequence[str]) -> list[Shelf]:
    """Returns the best and the worst of each model by a measure, and the most disputed over all.

    Args:
        scores: rows of `benchmarks.scoring.table.SCORES`.
        measure: the headline.
        models: in reading order.
    """
    values = sample_values(scores, measure.name)
    shown = []
    for model in models:
        own = values.filter(pl.col("model") == model).sort(
            "value", "sample_id", descending=[measure.higher_is_better, False]
        )
        ids = own["sample_id"].to_list()
        if ids:
            shown.append(Shelf(f"Best of {model}", ids[:EXTREMES]))
            shown.append(Shelf(f"Worst of {model}", ids[::-1][:EXTREMES]))
    ids = disputed(values)[: 2 * EXTREMES]
    return [*shown, Shelf("Most disputed", ids)] if ids else shown


def sample_values(scores: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Returns model, sample_id, mean `value`, and `low` and `high` over views and repeats, where scored."""
    return (
        scores.filter((pl.col("measure") == measure) & (pl.col("state") == State.OK))
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
    joined = values.join(tasks.unique("sample_id"), on="sample_id").sort("task", "value", "sample_id")
    for (task,), rows in joined.group_by("task", maintain_order=True):
        ids = rows["sample_id"].to_list()
        places = np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int)
        chosen[str(task)] = [ids[place] for place in places]
    return chosen
