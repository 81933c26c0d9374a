"""Weak categories of a benchmark as a demand for training pairs, which the long-tail stage fills."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.table import MEASURED

WEAK = 0.5
"""Categories are demanded that lie in the worse half; among them, by how far they are from the best one."""


def demand_of(
    tasks: pl.DataFrame, scores: pl.DataFrame, metric: Metric, model: str, *, pairs: int
) -> dict[str, Any]:
    """Returns the weak categories of a model and how many pairs of each would help.

    Pairs are given in proportion to how far a category is behind the best one, to the worse half of them. A
    category is what training samples call it: the items' `category`.

    Args:
        tasks: from `benchmarks.scoring.summary.summarise`.
        scores: rows of `benchmarks.scoring.table.SCORES`, which say which category a task belongs to.
        metric: the headline.
        model: whose weaknesses count.
        pairs: in all.
    """
    own = scores.filter(pl.col("measure") == metric.name)
    view = MEASURED if MEASURED in set(own["view"]) else "strict"
    rows = tasks.filter(
        (pl.col("model") == model)
        & (pl.col("measure") == metric.name)
        & (pl.col("view") == view)
        & pl.col("value").is_not_null()
    )
    categories = scores.select("task", "category").unique("task", keep="first", maintain_order=True)
    means = (
        rows.join(categories, on="task")
        .group_by("category")
        .agg(pl.col("value").mean(), pl.col("scored").sum())
        .sort("value", "category", descending=[metric.higher_is_better, False])
    )
    ordered = means.to_dicts()
    weak = ordered[int(len(ordered) * WEAK) :] if len(ordered) > 1 else ordered
    deficits = [abs(row["value"] - ordered[0]["value"]) for row in weak]
    shares = _shares(deficits, pairs)
    listed = [
        {**row, "deficit": deficit, "pairs": share}
        for row, deficit, share in zip(weak, deficits, shares, strict=True)
    ]
    return {
        "model": model,
        "measure": metric.name,
        "higher_is_better": metric.higher_is_better,
        "weak": listed[::-1],
        "demand": {row["category"]: row["pairs"] for row in listed[::-1] if row["pairs"]},
    }


def write_demand(path: Path, demand: Mapping[str, Any]) -> None:
    """Writes a demand as JSON; `demand` in it is what `assets.longtail.refill.plan_refill` takes."""
    path.write_text(json.dumps(demand, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_demand(path: Path) -> dict[str, int]:
    """Returns the pairs that a demand file asks for, by category.

    Raises:
        ValueError: the file is none that `write_demand` writes.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["demand"]
        if all(type(pairs) is int and pairs > 0 for pairs in found.values()):
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a valid demand file: {error!s:.200}") from error
    raise ValueError(f"{path} is not a valid demand file: pairs must be whole numbers from 1.")


def _shares(deficits: Sequence[float], pairs: int) -> list[int]:
    """Returns whole shares of `pairs` in proportion to deficits; the largest remainders are rounded up."""
    total = sum(deficits)
    if not total:
        return [0] * len(deficits)
    exact = [pairs * deficit / total for deficit in deficits]
    shares = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[: pairs - sum(shares)]:
        shares[place] += 1
    return shares
