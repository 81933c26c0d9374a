import json

import cv2
import numpy as np
import polars as pl
import pytest
import scipy.stats
from filter_pictures import ORDINARY, PHOTOGRAPHS, blurred, noisy, ordinary, recompressed
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.measured.perceptual import (
    DISTANCE,
    FEATURES,
    Pristine,
    TooFewPristineImagesError,
    fit_asymmetric_gaussian,
    fit_generalized_gaussian,
    fit_pristine,
    fit_pristine_if_enough,
    measure_perceptual,
    unnaturalness,
    with_distances,
)


def windows(image: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    tops = generator.integers(0, image.shape[0] - 128, count)
    lefts = generator.integers(0, image.shape[1] - 128, count)
    return [image[top : top + 128, left : left + 128] for top, left in zip(tops, lefts, strict=True)]


def features_of(images: list[np.ndarray]) -> np.ndarray:
    return np.array([measure_perceptual(np.ascontiguousarray(image))["features"] for image in images])


@pytest.fixture(scope="module")
def pristine() -> Pristine:
    return fit_pristine(features_of([part for image in ordinary() for part in windows(image, 25, seed=0)]))


@pytest.mark.parametrize("name", ORDINARY)
def test_every_distortion_is_less_natural_than_the_photograph(pristine, name):
    parts = windows(PHOTOGRAPHS[name], 12, seed=1)
    natural = np.median(unnaturalness(features_of(parts), pristine))
    for spoilt in (
        [blurred(part, 2.5) for part in parts],
        [noisy(part, 30) for part in parts],
        [recompressed(part, 6) for part in parts],
    ):
        assert np.median(unnaturalness(features_of(spoilt), pristine)) > natural


def test_a_heavier_distortion_is_less_natural(pristine):
    parts = [part for image in ordinary() for part in windows(image, 6, seed=2)]
    levels = [
        np.median(unnaturalness(features_of([noisy(part, sigma) for part in parts]), pristine))
        for sigma in (0, 10, 25, 50)
    ]
    assert levels == sorted(levels)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.6, 4.0), st.floats(0.3, 3.0))
def test_the_shape_and_the_variance_of_a_known_distribution_are_found(shape, scale):
    sample = scipy.stats.gennorm.rvs(shape, scale=scale, size=200_000, random_state=0)
    found_shape, found_variance = fit_generalized_gaussian(sample)
    assert found_shape == pytest.approx(shape, rel=0.05)
    assert found_variance == pytest.approx(scipy.stats.gennorm.var(shape, scale=scale), rel=0.05)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.8, 3.0), st.floats(0.5, 2.0), st.floats(0.5, 2.0))
def test_both_halves_of_an_asymmetric_distribution_are_found(shape, left, right):
    half = np.abs(scipy.stats.gennorm.rvs(shape, size=300_000, random_state=1))
    onto_left = np.random.default_rng(2).random(half.size) < left / (left + right)
    sample = np.where(onto_left, -left * half, right * half)
    found_shape, mean, left_variance, right_variance = fit_asymmetric_gaussian(sample)
    variance = scipy.stats.gennorm.var(shape)
    assert found_shape == pytest.approx(shape, rel=0.08)
    assert left_variance == pytest.approx(left**2 * variance, rel=0.05)
    assert right_variance == pytest.approx(right**2 * variance, rel=0.05)
    assert mean == pytest.approx(sample.mean(), abs=0.02)


def test_the_distance_is_that_of_mahalanobis(pristine):
    features = features_of(windows(PHOTOGRAPHS["coffee.png"], 5, seed=3))
    covariance = np.linalg.inv(pristine.precision)
    expected = [
        np.sqrt((row - pristine.mean) @ np.linalg.solve(covariance, row - pristine.mean)) for row in features
    ]
    assert unnaturalness(features, pristine) == pytest.approx(np.array(expected), rel=1e-5)


def test_fewer_than_forty_images_fix_no_statistics():
    few = features_of(windows(PHOTOGRAPHS["coffee.png"], 39, seed=4))
    with pytest.raises(TooFewPristineImagesError) as caught:
        fit_pristine(few)
    assert caught.value.count == 39
    assert fit_pristine_if_enough(pl.DataFrame({FEATURES: few.tolist()})) is None


def test_what_has_no_features_has_no_distance(pristine):
    features = features_of(windows(PHOTOGRAPHS["coffee.png"], 2, seed=5)).tolist()
    table = pl.DataFrame({FEATURES: [features[0], None, features[1]]})
    assert with_distances(table, pristine)[DISTANCE].is_null().to_list() == [False, True, False]
    assert with_distances(table, None)[DISTANCE].is_null().all()


def test_statistics_come_back_from_json(pristine):
    again = Pristine.from_json(json.loads(json.dumps(pristine.to_json())))
    assert np.array_equal(again.mean, pristine.mean)
    assert np.array_equal(again.precision, pristine.precision)
    assert again.images == pristine.images == 150


def test_tiny_images_have_no_features_and_plain_ones_have_numbers():
    assert measure_perceptual(np.zeros((63, 200, 3), np.uint8)) == {"features": None}
    for level in (0, 255):
        features = measure_perceptual(np.full((64, 64, 3), level, np.uint8))["features"]
        assert len(features) == 36
        assert np.isfinite(features).all()


def test_blur_is_told_from_photographs_that_it_was_not_fitted_to(shared_data):
    paths = sorted(shared_data("photos/bsds500/val").iterdir())
    images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    pristine = fit_pristine(features_of(images[:60]))
    clean = unnaturalness(features_of(images[60:]), pristine)
    for spoilt in ([blurred(image, 2) for image in images[60:]], [noisy(image, 25) for image in images[60:]]):
        worse = unnaturalness(features_of(spoilt), pristine)
        assert np.mean(worse[:, None] > clean[None]) > 0.95  # the area under the curve
