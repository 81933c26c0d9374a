"""How far raters agree, and how each of them rates beside the others."""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from benchmarks.rating.study import Study
from benchmarks.scoring.statistics import fleiss_kappa, krippendorff_alpha, spearman


def agreement_rows(outputs: pl.DataFrame) -> list[dict[str, Any]]:
    """Returns alpha and kappa of every dimension, over all outputs (model None) and for each model.

    Args:
        outputs: current answers for outputs, rows of `benchmarks.rating.ratings.ANSWERS`.
    """
    rows = []
    for (dimension,), part in outputs.group_by("dimension", maintain_order=True):
        rows.append({"dimension": dimension, "model": None, **agreement(_matrix(part))})
        for (model,), own in part.sort("model").group_by("model", maintain_order=True):
            rows.append({"dimension": dimension, "model": model, **agreement(_matrix(own))})
    return rows


def agreement(ratings: np.ndarray) -> dict[str, Any]:
    """Returns Krippendorff's alpha (ordinal and interval) and Fleiss' kappa; null where undefined.

    Fleiss' kappa needs equally many ratings of each item, so it is taken over the items that have the most
    common count of them, and both counts are told.

    Args:
        ratings: (raters, items), NaN where a rater did not rate.
    """
    counts = (~np.isnan(ratings)).sum(axis=0)
    common = Counter(int(count) for count in counts if count >= 2)
    several = max(common, key=lambda count: (common[count], count), default=0)
    complete = ratings[:, counts == several] if several else ratings[:, :0]
    # A rater's identity plays no part in kappa, so gaps can be closed.
    packed = np.sort(complete, axis=0)[:several]
    return {
        "alpha_ordinal": krippendorff_alpha(ratings, "ordinal"),
        "alpha_interval": krippendorff_alpha(ratings, "interval"),
        "kappa": fleiss_kappa(packed) if several else None,
        "kappa_items": packed.shape[1],
        "kappa_ratings": several,
    }


def rater_rows(study: Study, current: pl.DataFrame) -> list[dict[str, Any]]:
    """Returns one row a rater: how much, how fast, how strict, how like the others, how attentive.

    `offset` is the mean of their values less the mean of all others for the same image and question;
    `correlation` is Spearman's with that mean.

    Args:
        study: names the right answers for sentinels.
        current: all current answers, sentinels included, without `overall`.
    """
    question = ["item_id", "card", "dimension"]
    others = (pl.col("value").sum().over(question) - pl.col("value")) / (pl.len().over(question) - 1)
    table = current.with_columns(others=pl.when(pl.len().over(question) > 1).then(others))
    rows = []
    for (rater,), own in table.sort("rater").group_by("rater", maintain_order=True):
        shared = own.filter(pl.col("others").is_not_null() & (pl.col("kind") == "output"))
        offset = (shared["value"] - shared["others"]).mean()
        pages = own.unique("submission")
        rows.append(
            {
                "rater": rater,
                "items": pages.height,
                "median_seconds": pages["seconds"].median(),
                "offset": offset,
                "correlation": spearman(shared["value"].to_list(), shared["others"].to_list())
                if shared.height > 1
                else None,
                **attention(study, own),
            }
        )
    return rows


def attention(study: Study, answers: pl.DataFrame) -> dict[str, Any]:
    """Returns how sentinels were answered; null where there was none.

    `unedited_right` is the share of right answers for the unedited source: a point in the half of the scale
    that the dimension names. `duplicate_gap` is the mean difference, in points, of two equal images of one
    page.

    Args:
        study: names the right answers.
        answers: current answers of one rater or of all.
    """
    half = len(study.scale) // 2
    low = [d.key for d in study.dimensions if d.unedited == "lowest"]
    high = [d.key for d in study.dimensions if d.unedited == "highest"]
    right = (pl.col("dimension").is_in(low) & (pl.col("point") <= half)) | (
        pl.col("dimension").is_in(high) & (pl.col("point") > len(study.scale) - half)
    )
    asked = answers.filter((pl.col("kind") == "unedited") & pl.col("dimension").is_in(low + high))
    keys = ["submission", "model", "dimension"]
    twins = answers.filter(pl.col("kind") == "duplicate").join(
        answers.filter(pl.col("kind") == "output"), on=keys, suffix="_original"
    )
    return {
        "unedited_right": asked.select(right.mean()).item() if asked.height else None,
        "duplicate_gap": (twins["point"] - twins["point_original"]).abs().mean(),
    }


def _matrix(answers: pl.DataFrame) -> np.ndarray:
    wide = answers.pivot("rater", index=["item_id", "model"], values="value")
    return wide.drop("item_id", "model").to_numpy().astype(float).T
