import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import spearmanr

from benchmarks.scoring.statistics import (
    bradley_terry,
    cluster_bootstrap,
    fleiss_kappa,
    krippendorff_alpha,
    mean_correlation,
    spearman,
)
from models.common.seeding import numpy_generator

NAN = np.nan

KRIPPENDORFF_2011 = np.array(
    [  # the worked example of the paper: four observers, twelve units
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)

FLEISS_1971_STYLE = [  # Wikipedia's worked example: ten subjects, fourteen raters, five categories
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorff_alpha_is_that_of_the_paper(level, alpha):
    assert krippendorff_alpha(KRIPPENDORFF_2011, level) == pytest.approx(alpha, abs=5e-4)


def test_krippendorff_alpha_by_its_definition_for_complete_ratings():
    ratings = numpy_generator(0, "ratings").integers(1, 6, (3, 40)).astype(float)
    pairs = [(a - b) ** 2 for item in ratings.T for a, b in itertools.permutations(item, 2)]
    values = ratings.ravel()
    every = [(a - b) ** 2 for a, b in itertools.permutations(values, 2)]
    assert krippendorff_alpha(ratings, "interval") == pytest.approx(1 - np.mean(pairs) / np.mean(every))


def test_agreement_is_undefined_where_nobody_ever_differs():
    assert krippendorff_alpha(np.zeros((3, 5)), "interval") is None
    assert fleiss_kappa(np.zeros((3, 5))) is None
    assert krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2.0]]), "nominal") is None


def test_fleiss_kappa_is_that_of_the_worked_example():
    ratings = np.array([np.repeat(np.arange(5), counts) for counts in FLEISS_1971_STYLE]).T
    assert fleiss_kappa(ratings) == pytest.approx(0.20993, abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_spearman_is_that_of_scipy(pairs):
    first, second = zip(*pairs, strict=True)
    found = spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_ratings_that_differ_in_the_last_bit_tie():
    noisy = [0.1 + 0.2, 0.3, 0.7]
    assert spearman(noisy, [1.0, 2.0, 3.0]) == spearman([0.3, 0.3, 0.7], [1.0, 2.0, 3.0])
    assert spearman(noisy, [1.0, 2.0, 3.0], digits=None) != spearman(noisy, [1.0, 2.0, 3.0])


def test_correlations_are_averaged_by_fishers_transform():
    assert mean_correlation([0.3, 0.3]) == pytest.approx(0.3)
    assert mean_correlation([0.0, 0.9]) == pytest.approx(np.tanh(np.arctanh(0.9) / 2))
    assert mean_correlation([1.0, 0.5]) < 1


def test_the_bootstrap_interval_of_a_mean_is_the_textbook_one():
    values = numpy_generator(0, "values").normal(3.0, 1.0, 400)
    found = cluster_bootstrap(values, ["t"] * 400, range(400), seed=0, repeats=2000)
    error = values.std() / 20
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_equal_samples_of_a_cluster_count_as_one_draw():
    values = numpy_generator(0, "values").normal(3.0, 1.0, 40)
    wide = cluster_bootstrap(np.repeat(values, 10), ["t"] * 400, np.repeat(np.arange(40), 10), seed=0)
    narrow = cluster_bootstrap(np.repeat(values, 10), ["t"] * 400, range(400), seed=0)
    alone = cluster_bootstrap(values, ["t"] * 40, range(40), seed=0)
    assert wide == pytest.approx(alone)
    assert (wide.high - wide.low) > 2 * (narrow.high - narrow.low)


def test_tasks_count_once_and_a_task_missing_from_a_draw_is_left_out():
    found = cluster_bootstrap([1.0, 1.0, 1.0, 5.0], ["a", "a", "a", "b"], range(4), seed=0)
    assert found.estimate == 3.0
    assert (found.low, found.high) == (1.0, 3.0)  # a third of the draws have no b


def test_the_bootstrap_is_a_function_of_its_seed():
    arguments = ([1.0, 2.0, 4.0, 8.0], ["t"] * 4, range(4))
    assert cluster_bootstrap(*arguments, seed=3) == cluster_bootstrap(*arguments, seed=3)
    assert cluster_bootstrap(*arguments, seed=3) != cluster_bootstrap(*arguments, seed=4)


def test_bradley_terry_maximises_its_likelihood():
    wins = np.array([[0, 7, 9.5], [3, 0, 6], [0.5, 4, 0]])

    def loss(logs):
        gaps = logs[:, None] - logs[None]
        against_one = np.log1p(np.exp(-logs)) + np.log1p(np.exp(logs))
        return (wins * np.log1p(np.exp(-gaps))).sum() + 0.5 * against_one.sum()

    expected = np.exp(minimize(loss, np.zeros(3), tol=1e-12).x)
    expected /= np.exp(np.log(expected).mean())
    np.testing.assert_allclose(bradley_terry(wins), expected, rtol=1e-4)


def test_winning_everything_is_finite_and_no_comparison_is_equality():
    strengths = bradley_terry(np.array([[0.0, 5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    assert np.isfinite(strengths).all()
    assert strengths[0] > strengths[2] > strengths[1]
    assert strengths[2] == pytest.approx(strengths[3])
