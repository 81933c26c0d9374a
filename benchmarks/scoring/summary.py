"""From the table of scores to the figures of a report: averages, coverage, intervals, and the worst case."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.aggregate import AveragingRule, Scored, aggregate, mean, with_missing_as_worst
from benchmarks.scoring.statistics import cluster_bootstrap

FIGURES = {
    "model": pl.String(),
    "measure": pl.String(),
    "view": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "spread": pl.Float64(),
    "repeats": pl.Int64(),
    "scored": pl.Int64(),
    "samples": pl.Int64(),
    "coverage": pl.Float64(),
    "complete": pl.Boolean(),
    "missing_as_worst": pl.Float64(),
}
"""One row a model, measure and view. `value` is averaged as the view's rule says; `low` to `high` is the 95 %
interval of the same average by a bootstrap over clusters; `spread` the standard deviation over repeats, null
where there is one. `coverage` is the share of samples with scores: below 1 the value is marked, since what is
missing may be what is hard."""

TASKS = {
    "model": pl.String(),
    "measure": pl.String(),
    "view": pl.String(),
    "task": pl.String(),
    "value": pl.Float64(),
    "scored": pl.Int64(),
    "samples": pl.Int64(),
}
"""One row a model, measure, view and task; `value` is null where nothing of the task was scored."""


def summarise(
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
    *,
    seed: int,
    bootstraps: int = 1000,
    rejected: int = 0,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the figures and those of each task.

    Args:
        scores: rows of `benchmarks.scoring.table.SCORES`.
        metrics: of the suite; rows of others are left out.
        seed: of the bootstrap.
        bootstraps: how many draws.
        rejected: samples of the suite that are in no row, since nobody could read what they are. They count
            as samples without scores of each measure that applies to all the others.
    """
    everything = scores["sample_id"].n_unique()
    figures, tasks = [], []
    for metric in metrics:
        rows = scores.filter(pl.col("measure") == metric.name)
        widths = _widths(rows)
        for (model, view), part in rows.group_by("model", "view", maintain_order=True):
            names = {"model": model, "measure": metric.name, "view": view}
            rule = metric.rule(str(view))
            lost = rejected if part["sample_id"].n_unique() == everything else 0
            figure = _figure(part, rule, lost=lost, seed=seed, bootstraps=bootstraps)
            figure["missing_as_worst"] = _worst_case(part, metric, rule, widths)
            figures.append({**names, **figure})
            tasks += [{**names, **row} for row in _task_rows(part, rule)]
    return pl.DataFrame(figures, schema=FIGURES), pl.DataFrame(tasks, schema=TASKS)


def sample_means(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns one row a scored sample: task, cluster, and the mean `value` over scores and repeats."""
    return (
        rows.filter(pl.col("state") == State.OK)
        .group_by("model", "sample_id", "task", "cluster", maintain_order=True)
        .agg(pl.col("values").list.mean().mean().alias("value"))
    )


def _figure(
    part: pl.DataFrame, rule: AveragingRule, *, lost: int, seed: int, bootstraps: int
) -> dict[str, Any]:
    by_repeat = [_scored(rows) for _, rows in part.group_by("repeat", maintain_order=True)]
    overalls = [found for rows in by_repeat if (found := aggregate(rows, rule).overall) is not None]
    samples = part["sample_id"].n_unique() + lost
    scored = part.filter(pl.col("state") == State.OK).height / len(by_repeat)
    value = mean(overalls) if overalls else None
    low, high = _interval(part, rule, seed=seed, bootstraps=bootstraps)
    return {
        "value": value,
        "low": low,
        "high": high,
        "spread": _deviation(overalls) if len(by_repeat) > 1 and overalls else None,
        "repeats": len(by_repeat),
        "scored": round(scored),
        "samples": samples,
        "coverage": scored / samples,
        "complete": scored == samples,
    }


def _widths(rows: pl.DataFrame) -> dict[str, int]:
    """Returns how many scores a sample of each task has, the most that any model got for one."""
    counted = rows.group_by("task").agg(pl.col("values").list.len().max())
    return dict(counted.iter_rows())


def _worst_case(
    part: pl.DataFrame, metric: Metric, rule: AveragingRule, widths: Mapping[str, int]
) -> float | None:
    """Returns the average with the worst score for each that is missing, of whole samples and within them.

    Where scores are pooled, a sample counts by how many it has, so one that lacks some is filled up.
    """
    if metric.worst is None:
        return None
    overalls, widest = [], max(widths.values()) or 1
    worst = {task: (metric.worst,) * (width or widest) for task, width in widths.items()}
    for _, rows in part.group_by("repeat", maintain_order=True):
        missing = rows.filter(pl.col("state") != State.OK)["task"].to_list()
        filled = _scored(rows)
        if rule.overall == "pooled":
            filled = [Scored(one.task, (*one.scores, *worst[one.task][len(one.scores) :])) for one in filled]
        for task, scores in worst.items():
            filled = with_missing_as_worst(filled, [one for one in missing if one == task], scores)
        overalls.append(aggregate(filled, rule).overall)
    return mean(overalls)


def _interval(
    part: pl.DataFrame, rule: AveragingRule, *, seed: int, bootstraps: int
) -> tuple[float | None, float | None]:
    rows = part.filter(pl.col("state") == State.OK)
    if rows.is_empty():
        return None, None
    if rule.overall == "pooled":
        flat = rows.explode("values")
        values, tasks, clusters = flat["values"], ["all"] * flat.height, flat["cluster"]
    else:
        means = sample_means(rows)
        tasks = means["task"] if rule.overall == "macro" else ["all"] * means.height
        values, clusters = means["value"], means["cluster"]
    found = cluster_bootstrap(list(values), list(tasks), list(clusters), seed=seed, repeats=bootstraps)
    return found.low, found.high


def _task_rows(part: pl.DataFrame, rule: AveragingRule) -> Iterator[dict[str, Any]]:
    by_repeat = [
        aggregate(_scored(rows), rule).tasks for _, rows in part.group_by("repeat", maintain_order=True)
    ]
    for (task,), rows in part.sort("task", maintain_order=True).group_by("task", maintain_order=True):
        values = [tasks[str(task)] for tasks in by_repeat if str(task) in tasks]
        yield {
            "task": task,
            "value": mean(values) if values else None,
            "scored": round(rows.filter(pl.col("state") == State.OK).height / len(by_repeat)),
            "samples": rows["sample_id"].n_unique(),
        }


def _scored(rows: pl.DataFrame) -> list[Scored]:
    ok = rows.filter(pl.col("state") == State.OK)
    return [Scored(task, tuple(values)) for task, values in ok.select("task", "values").iter_rows()]


def _deviation(values: Sequence[float]) -> float:
    centre = mean(values)
    return (sum((value - centre) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5
