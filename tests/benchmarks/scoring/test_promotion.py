"""Who becomes champion: a pure function of two reports."""

import random

import numpy as np
import polars as pl
import pytest

from benchmarks.scoring.promotion import PAIRED_SCORES, VersionReport, decide

KINDS, SOURCES = ("blur", "sepia", "text"), 20


def report(version: str, error: float, *, noise: float = 0.02, **changes) -> VersionReport:
    """A version whose errors scatter around `error`; copying has 1.0 everywhere."""
    generator = np.random.default_rng(int(version))
    rows = [
        {
            "sample_id": f"{kind}-{source}",
            "kind": kind,
            "cluster": f"source-{source}",
            "model_error": error + noise * generator.standard_normal(),
            "copy_error": 1.0,
        }
        for kind in KINDS
        for source in range(SOURCES)
    ]
    scores = pl.DataFrame(rows, schema=dict(PAIRED_SCORES))
    values = {"weights": f"sha-{version}", "suite": "suite", "settings": {"steps": 8}, "scores": scores}
    return VersionReport(version=version, **(values | changes))


def promoted(candidate: VersionReport, champion: VersionReport | None, failed: tuple[str, ...] = ()) -> bool:
    decision = decide(candidate, champion, failed_checks=failed, seed=0)
    assert decision.reasons
    return decision.promoted


def test_the_first_champion_has_to_beat_the_unedited_source():
    assert promoted(report("1", 0.5), None)
    assert not promoted(report("1", 1.2), None)
    assert not promoted(report("1", 1.0, noise=0.2), None), "within the interval"


def test_a_better_version_replaces_the_champion_and_a_worse_one_does_not():
    assert promoted(report("2", 0.4), report("1", 0.5))
    assert not promoted(report("2", 0.5), report("1", 0.4))


def test_a_difference_within_the_interval_moves_nothing():
    decision = decide(report("2", 0.499), report("1", 0.5, noise=0.1), failed_checks=(), seed=0)
    assert not decision.promoted
    assert decision.over_champion is not None
    assert decision.over_champion.low <= 0 <= decision.over_champion.high


@pytest.mark.parametrize("changes", [{"suite": "another"}, {"settings": {"steps": 4}}])
def test_reports_on_other_suites_or_settings_are_not_compared(changes):
    decision = decide(report("2", 0.1), report("1", 0.9, **changes), failed_checks=(), seed=0)
    assert not decision.promoted
    assert decision.over_champion is None


def test_a_failed_check_blocks_and_is_named():
    decision = decide(report("1", 0.5), None, failed_checks=("better_than_copying",), seed=0)
    assert not decision.promoted
    assert any("better_than_copying" in reason for reason in decision.reasons)


def test_equal_weights_and_a_former_champion_do_not_take_the_alias():
    assert not promoted(report("2", 0.4, weights="sha-1"), report("1", 0.5))
    assert not promoted(report("2", 0.4, was_champion=True), report("1", 0.5))
    assert promoted(report("2", 0.4, was_champion=True), None)


def test_the_decision_is_a_function_of_the_reports_alone():
    first, second = report("2", 0.4), report("1", 0.5)
    decisions = {str(decide(first, second, failed_checks=(), seed=0)) for _ in range(3)}
    assert len(decisions) == 1


@pytest.mark.parametrize("order", range(10))
def test_ten_separated_versions_in_any_order_end_at_the_best(order):
    versions = [report(str(number), 0.9 - 0.08 * number) for number in range(10)]
    random.Random(order).shuffle(versions)
    champion = None
    for candidate in versions:
        if promoted(candidate, champion):
            champion = candidate
    assert champion is not None
    assert champion.version == "9"
