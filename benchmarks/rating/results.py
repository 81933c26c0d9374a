"""The figures of a study: means with intervals, agreement, comparisons, places, raters."""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from benchmarks.rating.agreement import agreement_rows, attention, rater_rows
from benchmarks.rating.comparisons import pair_rows, position_rows, strength_rows
from benchmarks.rating.ratings import OVERALL, with_overall
from benchmarks.rating.study import Study
from benchmarks.scoring.statistics import cluster_bootstrap
from models.common.seeding import numpy_generator


def results(study: Study, answers: pl.DataFrame) -> dict[str, Any]:
    """Returns all figures of a study as JSON values.

    Models are called `model 1`, `model 2`, ... in a random order until every item has as many raters as the
    study asks for: who knows who leads is tempted to stop while they do.

    Args:
        study: as rated.
        answers: from `benchmarks.rating.ratings.answers_of`.
    """
    current = answers.filter("current")
    complete = is_complete(study, current)
    names = {model: model for model in study.models} if complete else _veiled(study)
    current = current.with_columns(model=pl.col("model").replace_strict(names, return_dtype=pl.String))
    outputs = current.filter(pl.col("kind") == "output")
    if len(study.dimensions) > 1:
        outputs = with_overall(outputs)
    order = [*(dimension.key for dimension in study.dimensions), OVERALL]
    outputs = outputs.sort(pl.col("dimension").replace_strict(order, range(len(order))), maintain_order=True)
    pairs = pair_rows(outputs)
    return {
        "title": study.title,
        "study_id": study.study_id,
        "complete": complete,
        "scale": list(study.scale),
        "dimensions": {dimension.key: dimension.name for dimension in study.dimensions}
        | ({OVERALL: "Overall"} if len(study.dimensions) > 1 else {}),
        "models": sorted(names.values()),
        "coverage": _coverage(study, current, names),
        "means": mean_rows(study, outputs, names),
        "agreement": agreement_rows(outputs),
        "strengths": strength_rows(outputs, pairs, seed=study.seed),
        "pairs": pairs,
        "positions": position_rows(current, seed=study.seed),
        "attention": attention(study, current),
        "raters": rater_rows(study, current),
    }


def is_complete(study: Study, current: pl.DataFrame) -> bool:
    """Returns whether every item was rated by as many raters as the study asks for."""
    raters = dict(current.group_by("item_id").agg(pl.col("rater").n_unique()).iter_rows())
    return all(raters.get(item.item_id, 0) >= study.raters for item in study.items)


def mean_rows(study: Study, outputs: pl.DataFrame, names: dict[str, str]) -> list[dict[str, Any]]:
    """Returns one row for each dimension and model.

    An item's value is the mean over its raters; the mean is over items, its interval from a bootstrap over
    clusters of items. `spread` is the standard deviation of the raters' own means. `missing_worst` is the
    mean with the lowest point for each item without an output.

    Args:
        study: counts the missing outputs.
        outputs: current answers for outputs, with `overall`.
        names: model to what it is called.
    """
    missing = Counter(names[model] for gaps in _gaps(study) for model in gaps)
    rows = []
    for (dimension, model), part in outputs.sort("model").group_by("dimension", "model", maintain_order=True):
        items = part.group_by("item_id", "cluster", maintain_order=True).agg(pl.col("value").mean())
        values = items["value"].to_list()
        interval = cluster_bootstrap(values, [0] * len(values), items["cluster"].to_list(), seed=study.seed)
        of_raters = part.group_by("rater").agg(pl.col("value").mean())["value"].to_numpy()
        worst = [study.scale[0]] * missing[str(model)]
        rows.append(
            {
                "dimension": dimension,
                "model": model,
                "mean": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "spread": float(of_raters.std()),
                "items": len(values),
                "ratings": part.height,
                "missing": missing[str(model)],
                "missing_worst": float(np.mean(values + worst)),
            }
        )
    places = list(dict.fromkeys(outputs["dimension"]))
    return sorted(rows, key=lambda row: (places.index(row["dimension"]), -row["mean"], row["model"]))


def _veiled(study: Study) -> dict[str, str]:
    order = numpy_generator(study.seed, "veil").permutation(len(study.models))
    return {model: f"model {place + 1}" for model, place in zip(study.models, order, strict=True)}


def _gaps(study: Study) -> list[dict[str, str]]:
    return [item.missing for item in study.items] + list(study.left_out.values())


def _coverage(study: Study, current: pl.DataFrame, names: dict[str, str]) -> dict[str, Any]:
    raters = dict(current.group_by("item_id").agg(pl.col("rater").n_unique()).iter_rows())
    counts = [raters.get(item.item_id, 0) for item in study.items]
    return {
        "items": len(study.items),
        "raters_wanted": study.raters,
        "items_with_all_raters": sum(count >= study.raters for count in counts),
        "pages_rated": sum(counts),
        "answers": current.height,
        "left_out": {
            item: {names[model]: reason for model, reason in gaps.items()}
            for item, gaps in study.left_out.items()
        },
        "missing": [
            {"item": item.item_id, "model": names[model], "reason": reason}
            for item in study.items
            for model, reason in item.missing.items()
        ],
    }
