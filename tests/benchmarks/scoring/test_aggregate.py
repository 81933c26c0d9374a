import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scoring.aggregate import RULES, AveragingRule, Scored, aggregate, with_missing_as_worst

SAMPLES = [
    Scored("add", (5.0, 4.0, 4.0)),  # 4.33
    Scored("add", (1.0, 1.0, 1.0)),
    Scored("remove", (3.0, 3.0, 2.0)),  # 2.67
]


def test_rededit_rounds_samples_and_tasks_and_counts_a_task_once():
    found = aggregate(SAMPLES, RULES["rededit"])
    assert found.tasks == {"add": 2.67, "remove": 2.67}  # 2.665 is a little more than that in binary
    assert found.overall == 2.67
    assert found.counts == {"add": 2, "remove": 1}


def test_a_sample_is_rounded_before_its_task_is():
    samples = [Scored("add", (2.0, 2.0, 1.0))] * 2 + [Scored("add", (1.0, 1.0, 1.0))]
    assert aggregate(samples, RULES["rededit"]).tasks == {"add": 1.45}  # of 1.67, 1.67 and 1
    assert aggregate(samples, RULES["strict"]).tasks == {"add": pytest.approx(13 / 9)}  # 1.444


def test_each_weighting_is_what_it_says():
    def overall(weighting):
        return aggregate(SAMPLES, AveragingRule(None, None, weighting, None)).overall

    means = [13 / 3, 1.0, 8 / 3]
    assert overall("macro") == pytest.approx(((means[0] + means[1]) / 2 + means[2]) / 2)
    assert overall("micro") == pytest.approx(sum(means) / 3)
    assert overall("pooled") == pytest.approx((13 + 3 + 8) / 9)


def test_pooling_differs_from_averaging_where_samples_have_unequally_many_scores():
    samples = [Scored("a", (1.0, 1.0, 1.0, 1.0)), Scored("a", (5.0,))]
    assert aggregate(samples, AveragingRule(None, None, "micro", None)).overall == 3.0
    assert aggregate(samples, AveragingRule(None, None, "pooled", None)).overall == pytest.approx(9 / 5)


def test_nothing_gives_no_headline():
    assert aggregate([], RULES["gedit"]).overall is None


def test_missing_samples_can_only_lower_the_headline():
    worst = with_missing_as_worst(SAMPLES, ["remove", "text"], (1.0, 1.0, 1.0))
    found = aggregate(worst, RULES["strict"])
    assert found.counts == {"add": 2, "remove": 2, "text": 1}
    assert found.overall < aggregate(SAMPLES, RULES["strict"]).overall


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=20)
)
def test_every_rule_stays_within_the_scale_and_ignores_the_order_of_samples(rows):
    samples = [Scored(task, (float(first), float(second))) for task, first, second in rows]
    for rule in RULES.values():
        found = aggregate(samples, rule)
        assert found.overall is not None
        assert 1 <= found.overall <= 5
        assert found.overall == pytest.approx(aggregate(samples[::-1], rule).overall)
