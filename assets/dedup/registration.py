"""Registration of thumbnails, which checks whether a pair with similar descriptors really is a copy."""

from collections.abc import Iterator

import cv2
import numpy as np

COARSE, FINE = 32, 64
MIN_SIDE_SHARE = 0.78
"""Smallest share of a side that a crop may keep; 60 % of the area when both sides are cropped."""

MIN_COARSE_SCORE = 0.3
"""A coarse score below this ends the search; copies of 108 demo photographs never scored below 0.55."""

MIN_STRUCTURE = 0.1
"""Standard deviation of local contrast (at most 1) below which an image has no structure to match."""

CONTRAST_FLOOR = 4.0
"""Grey levels of local contrast below which structure counts as noise."""


def registration_score(left: np.ndarray, right: np.ndarray) -> float:
    """Returns how well one image fits inside the other, -1 to 1, at the best scale, position and orientation.

    The score is the normalised correlation of local contrast: the image minus its local mean, divided by the
    local deviation. Brightness, colour and large shapes don't count, only the fine structure that differs
    between any two photographs.

    Args:
        left: grey thumbnail, (64, 64) float32, 0 to 255.
        right: the other thumbnail; either may be the crop.
    """
    small_left, small_right = _scaled(left, COARSE, COARSE), _scaled(right, COARSE, COARSE)
    fits = []
    for whole, part, swapped in ((small_left, small_right, False), (small_right, small_left, True)):
        contrast = _local_contrast(whole)
        for turn in range(8):
            turned = _oriented(part, turn)
            fits += [
                (_fit(contrast, turned, side, side), swapped, turn, side) for side in _sides(COARSE, step=2)
            ]
    score, swapped, turn, side = max(fits)
    if score < MIN_COARSE_SCORE:
        return score
    whole, part = (right, left) if swapped else (left, right)
    contrast, turned = _local_contrast(whole), _oriented(part, turn)
    return max(_fit(contrast, turned, *size) for size in _sizes_near(side * FINE // COARSE))


def _fit(contrast: np.ndarray, part: np.ndarray, height: int, width: int) -> float:
    template = _local_contrast(_scaled(part, height, width))
    if min(template.std(), contrast.std()) < MIN_STRUCTURE:
        return 0.0  # matchTemplate calls two constant images a perfect match
    return float(cv2.matchTemplate(contrast, template, cv2.TM_CCOEFF_NORMED).max())


def _local_contrast(image: np.ndarray) -> np.ndarray:
    near, far = image.shape[0] / FINE, 4 * image.shape[0] / FINE
    structure = _blurred(image, near) - _blurred(image, far)
    spread = np.sqrt(_blurred(structure * structure, far))
    return structure / (spread + CONTRAST_FLOOR)


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _oriented(image: np.ndarray, turn: int) -> np.ndarray:
    turned = np.rot90(image, turn % 4)
    return np.ascontiguousarray(turned[:, ::-1] if turn >= 4 else turned)


def _sides(full: int, step: int) -> range:
    return range(full, round(full * MIN_SIDE_SHARE) - 1, -step)


def _sizes_near(side: int) -> Iterator[tuple[int, int]]:
    low, high = max(round(FINE * MIN_SIDE_SHARE), side - 3), min(FINE, side + 3)
    for height in range(low, high + 1):
        for width in range(low, high + 1):
            if abs(height - width) <= 3:
                yield height, width
