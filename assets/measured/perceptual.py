"""No-reference perceptual quality: the distance from natural image statistics (report 2.2.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import gamma
from typing import Any

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one

WINDOW = (7, 7)
WINDOW_SIGMA = 7 / 6
SCALES = 2
MIN_SIDE = 32
NEIGHBOUR_OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Offsets (rows, columns) of the neighbours whose products with a pixel are fitted."""

SHAPES = np.arange(0.2, 10.0, 0.001)
MIN_PRISTINE_IMAGES = 40
"""Smallest number of pristine images for a usable covariance of 36 features, with shrinkage."""

SHRINKAGE = 0.1


FEATURES, DISTANCE = "perceptual.features", "perceptual.distance"
"""The measured column, and the column that rules may name, which is computed from the features and the
pristine images."""


class TooFewPristineImagesError(ValueError):
    """There are too few pristine images to fit their statistics.

    Attributes:
        count: the number of images given.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"{count} pristine images are too few for their statistics. Give at least {MIN_PRISTINE_IMAGES}."
        )


@dataclass(frozen=True)
class Pristine:
    """The Gaussian of the features of natural images: mean (36,) and inverse covariance (36, 36)."""

    mean: np.ndarray
    precision: np.ndarray
    images: int

    def to_json(self) -> Mapping[str, Any]:
        """Returns the Gaussian as JSON values."""
        return {"images": self.images, "mean": self.mean.tolist(), "precision": self.precision.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Pristine":
        """Returns the Gaussian that `to_json` returned."""
        return cls(np.array(values["mean"]), np.array(values["precision"]), values["images"])


def measure_perceptual(image: np.ndarray) -> Mapping[str, Any]:
    """Returns `features`, the 36 natural scene statistics of NIQE, of an (H, W, 3) image; null if too small.

    At two scales the luma is normalized by its local mean and contrast, and distributions are fitted to it
    and to its products with four neighbours (Mittal, Soundararajan and Bovik, IEEE SPL 20, 2013).
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if min(luma.shape) < MIN_SIDE * 2 ** (SCALES - 1):
        return {"features": None}
    features: list[float] = []
    for _ in range(SCALES):
        features += _scale_features(_normalized(luma))
        luma = cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return {"features": features}


def with_distances(measured: pl.DataFrame, pristine: Pristine | None) -> pl.DataFrame:
    """Adds `perceptual.distance`, the distance from natural statistics, 0 or more; lower is better.

    It is null where the image is too small or was not measured, and everywhere without pristine images.

    Args:
        measured: table with the column `perceptual.features`.
        pristine: statistics of natural images, or None.
    """
    is_measured = measured[FEATURES].is_not_null()
    values = np.full(measured.height, np.nan)
    if pristine is not None and is_measured.any():
        features = np.array(measured[FEATURES].filter(is_measured).to_list(), np.float64)
        values[is_measured.to_numpy()] = unnaturalness(features, pristine)
    has_distance = is_measured if pristine is not None else pl.lit(False)
    return measured.with_columns(pl.when(has_distance).then(pl.Series(values)).alias(DISTANCE))


def fit_pristine_if_enough(measured: pl.DataFrame) -> Pristine | None:
    """Returns the Gaussian of the column `perceptual.features`; None if too few images are measured."""
    features = np.array(measured[FEATURES].drop_nulls().to_list(), np.float64).reshape(-1, 36)
    finite = features[np.isfinite(features).all(axis=1)]
    return fit_pristine(finite) if len(finite) >= MIN_PRISTINE_IMAGES else None


def fit_pristine(features: np.ndarray) -> Pristine:
    """Returns the Gaussian of the features (N, 36) of pristine images.

    The covariance is shrunk by 10 % towards its diagonal, so that it can be inverted for few images.

    Raises:
        TooFewPristineImagesError: there are fewer than 40 images.
    """
    if len(features) < MIN_PRISTINE_IMAGES:
        raise TooFewPristineImagesError(len(features))
    covariance = np.cov(features, rowvar=False)
    diagonal = np.diag(np.diag(covariance) + 1e-9)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal
    return Pristine(features.mean(axis=0), np.linalg.inv(shrunk), len(features))


def unnaturalness(features: np.ndarray, pristine: Pristine) -> np.ndarray:
    """Returns the Mahalanobis distance (N,), 0 or more, of the features (N, 36) from natural statistics.

    This is the distance of NIQE with the whole image as the only patch.
    """
    difference = features - pristine.mean
    return np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", difference, pristine.precision, difference), 0))


def fit_generalized_gaussian(values: np.ndarray) -> tuple[float, float]:
    """Returns shape and variance of a zero-mean generalized Gaussian: shape 2 is normal, 1 is Laplacian."""
    variance = float(np.mean(values**2)) + 1e-12
    ratio = float(np.mean(np.abs(values))) ** 2 / variance
    return _shape_of(ratio), variance


def fit_asymmetric_gaussian(values: np.ndarray) -> tuple[float, float, float, float]:
    """Returns shape, mean, left and right variance of an asymmetric generalized Gaussian.

    It is fitted by moments, after Lasmar, Stitou and Berthoumieu (ICIP 2009).
    """
    left = _half_deviation(values[values < 0])
    right = _half_deviation(values[values > 0])
    skew = left / right
    ratio = float(np.mean(np.abs(values))) ** 2 / (float(np.mean(values**2)) + 1e-12)
    shape = _shape_of(ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2)
    mean = (right - left) * gamma(2 / shape) / np.sqrt(gamma(1 / shape) * gamma(3 / shape))
    return shape, float(mean), left**2, right**2


def _scale_features(normalized: np.ndarray) -> list[float]:
    features = list(fit_generalized_gaussian(normalized))
    height, width = normalized.shape
    for down, across in NEIGHBOUR_OFFSETS:
        first = normalized[: height - down, max(0, -across) : width - max(0, across)]
        second = normalized[down:, max(0, across) : width + min(0, across)]
        features += fit_asymmetric_gaussian(first * second)
    return features


def _normalized(luma: np.ndarray) -> np.ndarray:
    """Returns the luma minus its local mean, divided by its local deviation plus one level."""
    mean = cv2.GaussianBlur(luma, WINDOW, WINDOW_SIGMA)
    variance = cv2.GaussianBlur(luma * luma, WINDOW, WINDOW_SIGMA) - mean * mean
    return (luma - mean) / (np.sqrt(np.maximum(variance, 0)) + 1)


def _half_deviation(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) + 1e-6 if values.size else 1e-6


def _shape_of(ratio: float) -> float:
    """Returns the shape for a ratio of squared mean magnitude to variance."""
    ratios = _shape_ratios()
    return float(SHAPES[min(int(np.searchsorted(ratios, ratio)), len(SHAPES) - 1)])


@cache
def _shape_ratios() -> np.ndarray:
    """Returns the ratios of all `SHAPES`, ascending."""
    return np.array([gamma(2 / s) ** 2 / (gamma(1 / s) * gamma(3 / s)) for s in SHAPES])


PERCEPTUAL = ImageMeasure(
    name="perceptual",
    version="1",
    long_side=384,
    columns={"features": pl.List(pl.Float64())},
    run=one_by_one(measure_perceptual),
)
