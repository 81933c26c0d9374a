"""From the scores of a run to its figures: summaries, ranking and demand. Every benchmark takes this path."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.demand import demand_of
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.table import MEASURED

RANKING_DECIMALS = 9
"""Figures are compared to so many decimals: smaller differences are float noise and decide no rank."""


@dataclass(frozen=True)
class Figures:
    """The figures of a run.

    Attributes:
        metrics: the first one is the headline.
        scores: rows of `benchmarks.scoring.table.SCORES`.
        figures: from `benchmarks.scoring.summary.summarise`.
        tasks: from the same.
        ranking: models, best first.
        demand: of the best model, from `benchmarks.scoring.demand.demand_of`.
    """

    metrics: Sequence[Metric]
    scores: pl.DataFrame
    figures: pl.DataFrame
    tasks: pl.DataFrame
    ranking: Sequence[str]
    demand: Mapping[str, Any]

    @property
    def champion(self) -> str:
        """The best model."""
        return self.ranking[0]


def compute_figures(
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
    models: Sequence[str],
    *,
    seed: int,
    demanded_pairs: int,
    bootstraps: int = 1000,
    rejected: int = 0,
) -> Figures:
    """Returns the figures of some models.

    Args:
        scores: rows of `benchmarks.scoring.table.SCORES`.
        metrics: of the scores; the first one is the headline, by which models are ranked.
        models: in the order in which the user gave them; of equal models the earlier one ranks higher.
        seed: of the bootstrap.
        demanded_pairs: how many training pairs the demand asks for in all.
        bootstraps: number of draws.
        rejected: samples of the suite without a row, see `summarise`.
    """
    figures, tasks = summarise(scores, metrics, seed=seed, bootstraps=bootstraps, rejected=rejected)
    ranking = rank_models(figures, metrics[0], headline_view(figures), models)
    demand = demand_of(tasks, scores, metrics[0], ranking[0], pairs=demanded_pairs)
    return Figures(metrics, scores, figures, tasks, ranking, demand)


def why_unscored(figures: Figures) -> str | None:
    """Returns why no sample of any model has a score of the headline; None where one has."""
    rows = figures.scores.filter(pl.col("measure") == figures.metrics[0].name)
    if (rows["state"] == State.OK).any():
        return None
    reasons = Counter(rows.select("state", "note").iter_rows()).most_common(1) or [(("no sample",), 0)]
    commonest = ": ".join(part for part in reasons[0][0] if part)
    return f"Nothing was scored: {rows['sample_id'].n_unique()} samples, most of them {commonest}"


def headline_view(figures: pl.DataFrame) -> str:
    """Returns the scoring mode that ranks models: `official` if there was a judge, else `measured`."""
    return "official" if "official" in set(figures["view"]) else MEASURED


def rank_models(figures: pl.DataFrame, metric: Metric, view: str, models: Sequence[str]) -> list[str]:
    """Returns the models from best to worst by one figure; models without it are last.

    Args:
        figures: from `summarise`.
        metric: which figure.
        view: in which scoring mode.
        models: to rank; equal ones keep this order.
    """
    values = _values(figures, metric, view)
    sign = -1 if metric.higher_is_better else 1
    scored = [model for model in models if model in values]
    missing = [model for model in models if model not in values]
    return [*sorted(scored, key=lambda model: round(sign * values[model], RANKING_DECIMALS)), *missing]


def tied_models(figures: pl.DataFrame, metric: Metric, view: str, models: Sequence[str]) -> list[list[str]]:
    """Returns the sets of models that `rank_models` cannot order because their figures are equal."""
    values = _values(figures, metric, view)
    by_value: dict[float, list[str]] = {}
    for model in models:
        if model in values:
            by_value.setdefault(round(values[model], RANKING_DECIMALS), []).append(model)
    return [tied for tied in by_value.values() if len(tied) > 1]


def _values(figures: pl.DataFrame, metric: Metric, view: str) -> dict[str, float]:
    rows = figures.filter((pl.col("measure") == metric.name) & (pl.col("view") == view))
    return dict(rows.drop_nulls("value").select("model", "value").iter_rows())
