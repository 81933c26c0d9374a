"""Photometric and statistical descriptors of an image (report 2.2.2)."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each

CLIPPED = 250
"""Levels from which a sample counts as burnt out: JPEG moves a clipped 255 by up to five levels."""

MIN_EDGE = 2.0
"""Levels per pixel of the weakest edge that can tell how sharp a picture is."""

MIN_EDGE_SHARE = 0.3
"""Of the strongest edges' gradient: weaker ones are grain and compression, which stay sharp in a blur."""

MIN_EDGE_PIXELS = 30
DIRECTIONS = 4
MIN_DIRECTION_SHARE = 0.04

NOISE_BLOCK = 8
CURVATURE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""Immerkaer's mask: blind to planes and straight edges, gain 6 for white noise (CVIU 64, 1996)."""


def measure_photometric(image: np.ndarray) -> Mapping[str, float | None]:
    """Returns the descriptors of an (H, W, 3) uint8 image.

    - `brightness`: mean luma, 0 to 1.
    - `saturation`: mean HSV saturation, 0 to 1.
    - `entropy`: bits a sample, mean over the channels' histograms, 0 to 8.
    - `texture`: mean gradient of the luma, levels per pixel.
    - `sharpness`: inverse blur of the sharpest edges, 1/pixels; null without edges.
    - `exposure`: -1 black, 0 full range and nothing clipped, 1 all burnt out.
    - `tonal_range`: levels between the darkest and brightest regions; about 0 for a wall.
    - `noise`: standard deviation of white noise, levels. 460 photographs and designs have none; Gaussian
      noise of 30 levels in each channel gives 9 to 17. Null below 16 pixels.
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
    """Returns one over the standard deviation, in pixels, of the blur of the sharpest edges.

    An edge blurred by s loses gradient by sqrt(1 + 1/s^2) when it is blurred again by 1 pixel (Zhuo and Sim,
    Pattern Recognition 44, 2011). Strong edges weigh more, and the sharpest tenth decides, so that a sharp
    subject before a soft background counts as sharp and low contrast doesn't count as blur. The least sharp
    of four directions decides, since a moving camera keeps the edges along its way.

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
    losses = [_upper_tenth(loss[found], weight[found]) for found in bins if found.sum() >= least]
    sharpest = min(losses) if losses else _upper_tenth(loss, weight)
    return float(np.sqrt(max(sharpest**2 - 1, 0.0)))


def _gradient(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gradient across and down, levels per pixel."""
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
    """Returns the share of burnt-out samples less what the brightest hundredth of pixels lacks to white."""
    burnt = float(np.mean([histogram[CLIPPED:].sum() / histogram.sum() for histogram in histograms]))
    brightest = _histogram(cv2.max(channels[0], cv2.max(channels[1], channels[2])))
    highlight = int(np.searchsorted(np.cumsum(brightest), 0.99 * brightest.sum()))
    return burnt - (1 - highlight / 255)


def _tonal_range(image: np.ndarray) -> float:
    """Returns the range of the channel that varies most, without the outer twentieths, in 32x32 regions."""
    regions = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    low, high = np.percentile(regions, (5, 95), axis=0)
    return float((high - low).max())


def _noise(luma: np.ndarray) -> float | None:
    """Returns the standard deviation of white noise in the quarter of blocks that is least like texture.

    Halving an image takes three quarters of the noise's power, while texture looks alike at every scale and
    keeps its power or, as lenses are soft, gains. So what a block has at half size is taken off.
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
    """Returns the squared curvature at each pixel; for white noise its mean is the noise's variance."""
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

PHOTOMETRIC = Measure(
    name="photometric",
    version="2",
    long_side=512,
    columns=dict.fromkeys(COLUMNS, pl.Float64()),
    run=each(measure_photometric),
)
