"""Decides whether a version replaces the champion, from the reports of both on one suite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from benchmarks.scoring.statistics import Interval, cluster_bootstrap

PAIRED_SCORES = {
    "sample_id": pl.String(),
    "kind": pl.String(),
    "cluster": pl.String(),
    "model_error": pl.Float64(),
    "copy_error": pl.Float64(),
}
"""One row a sample: its error, and that of its unedited source. Lower is better."""


@dataclass(frozen=True)
class VersionReport:
    """The scores of one registered version.

    Attributes:
        version: its number.
        weights: digest of its pipeline.
        suite: digest of the suite.
        settings: how the editor sampled.
        scores: of PAIRED_SCORES.
        was_champion: whether it has had the alias before. It does not take it back by itself, so that two
            homes whose suites disagree do not exchange the alias for ever, and a rollback lasts.
    """

    version: str
    weights: str
    suite: str
    settings: Mapping[str, Any]
    scores: pl.DataFrame
    was_champion: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether the candidate becomes champion.

    Attributes:
        promoted: whether the alias moves.
        reasons: what decided, one sentence each.
        over_copying: error of the unedited source minus that of the candidate.
        over_champion: error of the champion minus that of the candidate; None without a comparison.
    """

    promoted: bool
    reasons: tuple[str, ...]
    over_copying: Interval
    over_champion: Interval | None


def decide(
    candidate: VersionReport,
    champion: VersionReport | None,
    *,
    failed_checks: Sequence[str],
    seed: int,
) -> Decision:
    """Returns whether a candidate replaces the champion. A pure function of the two reports.

    The candidate must be better than the unedited source and than the champion. Better means that the lower
    end of the 95 % interval of the paired difference is above 0; sources are drawn, and each kind of edit
    counts once.

    Args:
        candidate: the version with the best benchmark result of a home.
        champion: the version that has the alias; None if no version has it.
        failed_checks: names of checks of the lineage that failed.
        seed: of the bootstrap.
    """
    over_copying = _gain(candidate.scores, "copy_error", seed)
    over_champion = None
    obstacles = [f"the check {name} failed" for name in failed_checks]
    if over_copying.low <= 0:
        obstacles.append(f"it is not better than the unedited source: {_shown(over_copying)}")
    if champion is None:
        reasons = [
            "there was no champion before",
            f"it is better than the unedited source: {_shown(over_copying)}",
        ]
    elif champion.weights == candidate.weights:
        obstacles.append(f"version {champion.version}, the champion, has the same weights")
        reasons = []
    elif (champion.suite, champion.settings) != (candidate.suite, candidate.settings):
        obstacles.append(f"version {champion.version}, the champion, was scored on another suite")
        reasons = []
    elif candidate.was_champion:
        obstacles.append(f"it was champion before version {champion.version}, and does not take it back")
        reasons = []
    else:
        over_champion = _gain(_side_by_side(candidate.scores, champion.scores), "champion_error", seed)
        better = f"than version {champion.version}, the champion: {_shown(over_champion)}"
        reasons = [f"it is better {better}"]
        if over_champion.low <= 0:
            obstacles.append(f"it is not better {better}")
    return Decision(not obstacles, tuple(obstacles or reasons), over_copying, over_champion)


def _side_by_side(candidate: pl.DataFrame, champion: pl.DataFrame) -> pl.DataFrame:
    other = champion.select("sample_id", champion_error="model_error")
    return candidate.join(other, on="sample_id", how="inner", validate="1:1")


def _gain(scores: pl.DataFrame, column: str, seed: int) -> Interval:
    differences = (scores[column] - scores["model_error"]).to_list()
    return cluster_bootstrap(differences, scores["kind"].to_list(), scores["cluster"].to_list(), seed=seed)


def _shown(gain: Interval) -> str:
    return f"error lower by {gain.estimate:.4f}, 95 % interval {gain.low:.4f} to {gain.high:.4f}"
