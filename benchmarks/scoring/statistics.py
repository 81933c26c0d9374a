"""How far figures can be trusted: intervals, agreement of raters, correlations, strengths from wins."""

import math
from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from models.common.seeding import numpy_generator

TIE_DIGITS = 9
"""Values are rounded to so many digits before ranking: equal ratings whose roots differ in the last bit must
tie, or a correlation depends on the order in which raters were read (14 published figures do)."""

BOOTSTRAP_CHUNK = 100
STRENGTH_TOLERANCE = 1e-10
MAX_ITERATIONS = 10_000


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


def cluster_bootstrap(
    values: Sequence[float],
    tasks: Sequence[Hashable],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    repeats: int = 1000,
) -> Interval:
    """Returns the mean over tasks of the means of their samples, with a percentile interval.

    Clusters are drawn, not samples: edits of one image succeed and fail together. A task that a draw leaves
    without samples is left out of that draw's mean.

    Args:
        values: one a sample.
        tasks: of each sample; equal everywhere for a plain mean.
        clusters: of each sample: its source image, or its item where languages share it.
        seed: of the draws.
        repeats: how many draws.
    """
    names, task_of = np.unique(np.asarray(list(map(str, tasks))), return_inverse=True)
    groups, cluster_of = np.unique(np.asarray(list(map(str, clusters))), return_inverse=True)
    sums, counts = np.zeros((len(groups), len(names))), np.zeros((len(groups), len(names)))
    np.add.at(sums, (cluster_of, task_of), np.asarray(values, dtype=float))
    np.add.at(counts, (cluster_of, task_of), 1.0)
    generator = numpy_generator(seed, "bootstrap")
    even = np.full(len(groups), 1 / len(groups))
    means = []
    for start in range(0, repeats, BOOTSTRAP_CHUNK):
        size = min(BOOTSTRAP_CHUNK, repeats - start)
        drawn = generator.multinomial(len(groups), even, size=size)
        with np.errstate(invalid="ignore"):
            means.append(np.nanmean((drawn @ sums) / (drawn @ counts), axis=1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Interval(float((sums.sum(0) / counts.sum(0)).mean()), float(low), float(high))


def spearman(
    first: Sequence[float], second: Sequence[float], *, digits: int | None = TIE_DIGITS
) -> float | None:
    """Returns Spearman's rank correlation, tied values sharing their mean rank; None where one is constant.

    Args:
        first: one value an item.
        second: one value an item.
        digits: values are rounded to so many before ranking. None ranks them as they are, which only a
            comparison with figures that were computed so should ask for.
    """
    pairs = np.asarray([first, second], dtype=float)
    rounded = pairs if digits is None else np.round(pairs, digits)
    ranks = np.stack([_ranks(row) for row in rounded])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    spread = math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / spread if spread else None


def mean_correlation(correlations: Sequence[float]) -> float:
    """Returns the mean of correlations by Fisher's transform: tanh of the mean of atanh."""
    limited = np.clip(correlations, -1 + 1e-12, 1 - 1e-12)
    return float(np.tanh(np.arctanh(limited).mean()))


def krippendorff_alpha(ratings: np.ndarray, level: Literal["nominal", "ordinal", "interval"]) -> float | None:
    """Returns Krippendorff's alpha: 1 is perfect agreement, 0 is chance; None where all ratings are equal.

    Args:
        ratings: (raters, items), NaN where a rater did not rate.
        level: what a difference of two ratings means.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    items = ratings[:, (~np.isnan(ratings)).sum(axis=0) >= 2]
    categories = np.unique(items[~np.isnan(items)])
    if len(categories) < 2:
        return None
    counts = np.stack([(items == category).sum(axis=0) for category in categories], axis=1).astype(float)
    pairable = counts.sum(axis=1, keepdims=True)
    weighted = counts / (pairable - 1)
    observed = counts.T @ weighted - np.diag(weighted.sum(axis=0))
    totals = counts.sum(axis=0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    distance = _squared_distances(level, categories, totals)
    return float(1 - (observed * distance).sum() / (expected * distance).sum())


def fleiss_kappa(ratings: np.ndarray) -> float | None:
    """Returns Fleiss' kappa of categories; None where every rating is the same.

    Args:
        ratings: (raters, items), every item rated by every rater.

    Source: Fleiss, Measuring nominal scale agreement among many raters, 1971.
    """
    raters = ratings.shape[0]
    counts = np.stack([(ratings == category).sum(axis=0) for category in np.unique(ratings)], axis=1)
    shares = counts.sum(axis=0) / counts.sum()
    by_chance = float((shares**2).sum())
    if by_chance == 1.0:
        return None
    agreement = float((((counts**2).sum(axis=1) - raters) / (raters * (raters - 1))).mean())
    return (agreement - by_chance) / (1 - by_chance)


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """Returns each model's strength, their geometric mean 1: i beats j with probability s_i / (s_i + s_j).

    Each model also ties once with an imagined one of strength 1, so that a model that won or lost everything
    has a finite strength and models that were never compared have equal ones.

    Args:
        wins: (models, models), how often the row beat the column; a tie is half a win for both.

    Source: Hunter, MM algorithms for generalized Bradley-Terry models, 2004.
    """
    games = wins + wins.T
    won = wins.sum(axis=1) + 0.5
    strengths = np.ones(len(wins))
    for _ in range(MAX_ITERATIONS):
        pressure = (games / np.add.outer(strengths, strengths)).sum(axis=1) + 1 / (strengths + 1)
        following = won / pressure
        done = np.abs(np.log(following / strengths)).max() < STRENGTH_TOLERANCE
        strengths = following
        if done:
            break
    return strengths / np.exp(np.log(strengths).mean())


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _squared_distances(level: str, categories: np.ndarray, totals: np.ndarray) -> np.ndarray:
    if level == "nominal":
        return (categories[:, None] != categories[None]).astype(float)
    # The distance of two ranks is what lies between them, and half of either end.
    places = categories if level == "interval" else np.cumsum(totals) - totals / 2
    return (places[:, None] - places[None]) ** 2
