"""The measure of photometric and statistical descriptors (report 2.2.2)."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one

CLIPPED = 250
"""Level from which a sample counts as clipped to white; JPEG changes a value of 255 by up to five levels."""

MIN_EDGE = 2.0
"""Smallest gradient, in levels per pixel, of an edge used to measure sharpness."""

MIN_EDGE_SHARE = 0.3
"""Smallest gradient of an edge relative to the strongest; weaker ones are grain or compression artefacts,
which are sharp even in a blurred image."""

MIN_EDGE_PIXELS = 30
DIRECTIONS = 4
MIN_DIRECTION_SHARE = 0.04

NOISE_BLOCK = 8
CURVATURE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""The mask of Immerkaer (CVIU 64, 1996): zero for planes and straight edges, gain 6 for white noise."""


def measure_photometric(image: np.ndarray) -> Mapping[str, float | None]:
    """Returns photometric descriptors of an (H, W, 3) uint8 image.

    - `brightness`: mean luma, 0 to 1.
    - `saturation`: mean HSV saturation, 0 to 1.
    - `entropy`: bits per sample, mean over the histograms of the channels, 0 to 8.
    - `texture`: mean gradient of the luma, levels per pixel.
    - `sharpness`: inverse blur of the sharpest edges, 1/pixels; null without edges.
    - `exposure`: -1 for black, 0 for full range without clipping, 1 if all is clipped to white.
    - `tonal_range`: levels between the darkest and brightest regions; about 0 for a uniform image.
    - `noise`: standard deviation of white noise in levels; null below 16 pixels. It is 0 for 460 photographs
      and designs; Gaussian noise of 30 levels in each channel gives 9 to 17.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    luma = grey.astype(np.float32)
    channels = cv2.split(image)
    histograms = [_histogram(channel) for channel in channels]
    return {
        "brightness": float(luma.mean()) / 255,
        "saturation": float(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1].mean()) / 255,
        "entropy": float(np.mean([_entropy(histogram) for histogram in histograms])),
        "texture": float(cv2.magnitude(*_gradient(luma)).mean()),
        "sharpness": sharpness(luma),
        "exposure": _exposure(channels, histograms),
        "tonal_range": _tonal_range(image),
        "noise": _noise(luma),
    }


def sharpness(luma: np.ndarray) -> float | None:
    """Returns the inverse standard deviation, in 1/pixels, of the blur of the sharpest edges.

    The gradient of an edge blurred by s drops by a factor of sqrt(1 + 1/s^2) when it is blurred again by 1
    pixel (Zhuo and Sim, Pattern Recognition 44, 2011). The result is the weighted 90th percentile over edges,
    so that a sharp subject in front of a soft background counts as sharp and low contrast does not count as
    blur. The least sharp of four directions is used, because motion blur keeps edges along the motion.

    Args:
        luma: (H, W) float32 levels.

    Returns:
        1.3 to 2.6 for sharp photographs, 0.5 to 0.75 after a Gaussian of 2 pixels; None without edges.
    """
    magnitude = cv2.magnitude(*_gradient(luma))
    across, down = _gradient(cv2.GaussianBlur(luma, (0, 0), 1.0))
    softer = cv2.magnitude(across, down)
    weakest = max(MIN_EDGE, MIN_EDGE_SHARE * float(np.percentile(softer, 99.5)))
    edges = (softer > weakest) & (softer > 0.9 * cv2.dilate(softer, np.ones((3, 3), np.uint8)))
    inside = np.zeros_like(edges)
    inside[3:-3, 3:-3] = edges[3:-3, 3:-3]
    loss, weight = magnitude[inside] / softer[inside], softer[inside]
    if loss.size < MIN_EDGE_PIXELS:
        return None
    turn = np.arctan2(down[inside], across[inside]) / np.pi
    direction = np.floor(turn * DIRECTIONS + 0.5).astype(np.int64) % DIRECTIONS
    least = max(MIN_EDGE_PIXELS, MIN_DIRECTION_SHARE * loss.size)
    bins = [direction == number for number in range(DIRECTIONS)]
    losses = [_upper_tenth(loss[mask], weight[mask]) for mask in bins if mask.sum() >= least]
    sharpest = min(losses) if losses else _upper_tenth(loss, weight)
    return float(np.sqrt(max(sharpest**2 - 1, 0.0)))


def _gradient(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the horizontal and vertical gradient in levels per pixel."""
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    return across, cv2.Sobel(luma, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)


def _upper_tenth(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, 0.9 * cumulative[-1])])


def _histogram(channel: np.ndarray) -> np.ndarray:
    return np.bincount(channel.ravel(), minlength=256)


def _entropy(histogram: np.ndarray) -> float:
    shares = histogram[histogram > 0] / histogram.sum()
    return float(-(shares * np.log2(shares)).sum())


def _exposure(channels: Sequence[np.ndarray], histograms: Sequence[np.ndarray]) -> float:
    """Returns the share of clipped samples minus the distance of the brightest hundredth from white."""
    burnt = float(np.mean([histogram[CLIPPED:].sum() / histogram.sum() for histogram in histograms]))
    brightest = _histogram(cv2.max(channels[0], cv2.max(channels[1], channels[2])))
    highlight = int(np.searchsorted(np.cumsum(brightest), 0.99 * brightest.sum()))
    return burnt - (1 - highlight / 255)


def _tonal_range(image: np.ndarray) -> float:
    """Returns the 5 to 95 % range over 32x32 regions of the channel that varies most."""
    regions = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    low, high = np.percentile(regions, (5, 95), axis=0)
    return float((high - low).max())


def _noise(luma: np.ndarray) -> float | None:
    """Returns the standard deviation of white noise, from the quarter of blocks with the least texture.

    Halving an image removes three quarters of the power of white noise. Texture is similar at every scale and
    keeps its power or, because lenses are soft, gains some. The power at half size is therefore subtracted.
    """
    if min(luma.shape) < 2 * NOISE_BLOCK:
        return None
    full = _curvature(luma)
    half = _curvature(cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    blocks = luma.shape[1] // NOISE_BLOCK, luma.shape[0] // NOISE_BLOCK
    power = cv2.resize(full, blocks, interpolation=cv2.INTER_AREA)
    texture = cv2.resize(half, blocks, interpolation=cv2.INTER_AREA)
    noise = np.percentile(power - texture, 25) / 0.75
    return float(np.sqrt(max(noise, 0.0)))


def _curvature(luma: np.ndarray) -> np.ndarray:
    """Returns the squared curvature at each pixel; for white noise its mean is the variance."""
    return np.square(cv2.filter2D(luma, cv2.CV_32F, CURVATURE) / 6)


COLUMNS = (
    "brightness",
    "saturation",
    "entropy",
    "texture",
    "sharpness",
    "exposure",
    "tonal_range",
    "noise",
)

PHOTOMETRIC = ImageMeasure(
    name="photometric",
    version="2",
    long_side=512,
    columns=dict.fromkeys(COLUMNS, pl.Float64()),
    run=one_by_one(measure_photometric),
)
