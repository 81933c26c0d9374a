"""Which model is better on the same page: wins, ties, strengths; and whether an image's place mattered."""

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from benchmarks.scoring.statistics import bradley_terry, cluster_bootstrap
from models.common.seeding import numpy_generator

SHUFFLES = 999


def pair_rows(outputs: pl.DataFrame) -> list[dict[str, Any]]:
    """Returns, for each dimension and pair of models, how often the first won, tied and lost.

    Two outputs are compared where one rater saw both on one page.

    Args:
        outputs: current answers for outputs, rows of `benchmarks.rating.ratings.ANSWERS`.
    """
    rows = []
    for (dimension,), part in outputs.group_by("dimension", maintain_order=True):
        pages = _pages(part)
        for first, second in combinations(sorted(part["model"].unique()), 2):
            both = pages.select(first, second).drop_nulls()
            signs = np.sign(both[first].to_numpy() - both[second].to_numpy())
            rows.append(
                {
                    "dimension": dimension,
                    "first": first,
                    "second": second,
                    "wins": int((signs > 0).sum()),
                    "ties": int((signs == 0).sum()),
                    "losses": int((signs < 0).sum()),
                }
            )
    return rows


def strength_rows(outputs: pl.DataFrame, pairs: list[dict[str, Any]], *, seed: int) -> list[dict[str, Any]]:
    """Returns each model's Bradley-Terry strength and its win rate over all others, a tie half a win.

    Args:
        outputs: as for `pair_rows`.
        pairs: from `pair_rows`.
        seed: of the bootstrap over clusters of items that gives the win rate's interval.
    """
    rows = []
    for (dimension,), part in outputs.group_by("dimension", maintain_order=True):
        models = sorted(part["model"].unique())
        if len(models) < 2:
            continue
        own = [pair for pair in pairs if pair["dimension"] == dimension]
        strengths = bradley_terry(_wins(own, models))
        pages = _pages(part)
        for model, strength in zip(models, strengths, strict=True):
            values, clusters = _win_shares(pages, model, [other for other in models if other != model])
            rate = cluster_bootstrap(values, [0] * len(values), clusters, seed=seed) if values else None
            rows.append(
                {
                    "dimension": dimension,
                    "model": model,
                    "strength": float(strength),
                    "win_rate": rate.estimate if rate else None,
                    "win_rate_low": rate.low if rate else None,
                    "win_rate_high": rate.high if rate else None,
                    "comparisons": len(values),
                }
            )
    return rows


def position_rows(current: pl.DataFrame, *, seed: int) -> list[dict[str, Any]]:
    """Returns, for each dimension, how ratings lean with the place on the page, and how likely by chance.

    A rating's lean is what is left of it after its model's mean and its page's mean. The order of a page was
    drawn at random, so shuffling the leans of each page gives exactly what chance would give.

    Args:
        current: all current answers, sentinels included: they have places too.
        seed: of the shuffles.
    """
    rows = []
    who = ["kind", "model"]
    for (dimension,), part in current.group_by("dimension", maintain_order=True):
        lean = part.with_columns(lean=pl.col("value") - pl.col("value").mean().over(who)).with_columns(
            lean=pl.col("lean") - pl.col("lean").mean().over("submission")
        )
        pages = lean.sort("submission", "position").group_by("submission", maintain_order=True)
        by_count: dict[int, list[list[float]]] = {}
        for leans in pages.agg("lean")["lean"].to_list():
            by_count.setdefault(len(leans), []).append(leans)
        blocks = [np.asarray(by_count[count]) for count in sorted(by_count)]
        generator = numpy_generator(seed, "positions", str(dimension))
        found, means = _place_spread(blocks)
        shuffled = [
            _place_spread([generator.permuted(block, axis=1) for block in blocks])[0] for _ in range(SHUFFLES)
        ]
        as_large = sum(value >= found - 1e-12 for value in shuffled)
        rows.append({"dimension": dimension, "leans": means, "p": (1 + as_large) / (1 + SHUFFLES)})
    return rows


def _pages(part: pl.DataFrame) -> pl.DataFrame:
    return part.pivot("model", index=["submission", "cluster"], values="value")


def _wins(pairs: list[dict[str, Any]], models: list[str]) -> np.ndarray:
    wins = np.zeros((len(models), len(models)))
    for pair in pairs:
        first, second = models.index(pair["first"]), models.index(pair["second"])
        wins[first, second] = pair["wins"] + pair["ties"] / 2
        wins[second, first] = pair["losses"] + pair["ties"] / 2
    return wins


def _win_shares(pages: pl.DataFrame, model: str, others: list[str]) -> tuple[list[float], list[str]]:
    values: list[float] = []
    clusters: list[str] = []
    for other in others:
        both = pages.select("cluster", first=model, second=other).drop_nulls()
        signs = np.sign(both["first"].to_numpy() - both["second"].to_numpy())
        values.extend(((signs + 1) / 2).tolist())
        clusters.extend(both["cluster"].to_list())
    return values, clusters


def _place_spread(blocks: list[np.ndarray]) -> tuple[float, list[float]]:
    places = max(block.shape[1] for block in blocks)
    sums, counts = np.zeros(places), np.zeros(places)
    for block in blocks:
        sums[: block.shape[1]] += block.sum(axis=0)
        counts[: block.shape[1]] += len(block)
    return float((sums**2 / counts).sum()), (sums / counts).tolist()
