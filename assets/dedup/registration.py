"""Does one thumbnail show what the other shows? The check that a descriptor's candidate really is a copy."""

from collections.abc import Iterator

import cv2
import numpy as np

COARSE, FINE = 32, 64
SMALLEST_SHARE = 0.78
"""Share of a side that a crop keeps at least: 60 % of the area when both sides are cut."""

UNRELATED = 0.3
"""Coarse scores below this end the search: copies of 108 demo photographs never scored below 0.55."""

LEAST_STRUCTURE = 0.1
"""Deviation of local contrast (at most 1) below which a picture shows nothing to be matched."""

CONTRAST_FLOOR = 4.0
"""Grey levels of local contrast below which structure counts as noise."""


def alignment(left: np.ndarray, right: np.ndarray) -> float:
    """Returns how well one picture fits inside the other, -1 to 1, at its best scale, place and orientation.

    The score is the normalised correlation of local contrast (picture minus surroundings, over their
    spread): light, colour and large shapes don't count, only the structure that no two photographs share.

    Args:
        left: grey thumbnail, (64, 64) float32, 0 to 255.
        right: the other thumbnail; either may be the crop.
    """
    small_left, small_right = _scaled(left, COARSE, COARSE), _scaled(right, COARSE, COARSE)
    found = []
    for whole, part, swapped in ((small_left, small_right, False), (small_right, small_left, True)):
        contrast = _local_contrast(whole)
        for turn in range(8):
            turned = _oriented(part, turn)
            found += [
                (_fit(contrast, turned, side, side), swapped, turn, side) for side in _sides(COARSE, step=2)
            ]
    score, swapped, turn, side = max(found)
    if score < UNRELATED:
        return score
    whole, part = (right, left) if swapped else (left, right)
    contrast, turned = _local_contrast(whole), _oriented(part, turn)
    return max(_fit(contrast, turned, *size) for size in _sizes_near(side * FINE // COARSE))


def _fit(contrast: np.ndarray, part: np.ndarray, height: int, width: int) -> float:
    template = _local_contrast(_scaled(part, height, width))
    if min(template.std(), contrast.std()) < LEAST_STRUCTURE:
        return 0.0  # matchTemplate calls two constant pictures a perfect match
    return float(cv2.matchTemplate(contrast, template, cv2.TM_CCOEFF_NORMED).max())


def _local_contrast(picture: np.ndarray) -> np.ndarray:
    near, far = picture.shape[0] / FINE, 4 * picture.shape[0] / FINE
    structure = _blurred(picture, near) - _blurred(picture, far)
    spread = np.sqrt(_blurred(structure * structure, far))
    return structure / (spread + CONTRAST_FLOOR)


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _scaled(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _oriented(picture: np.ndarray, turn: int) -> np.ndarray:
    turned = np.rot90(picture, turn % 4)
    return np.ascontiguousarray(turned[:, ::-1] if turn >= 4 else turned)


def _sides(full: int, step: int) -> range:
    return range(full, round(full * SMALLEST_SHARE) - 1, -step)


def _sizes_near(side: int) -> Iterator[tuple[int, int]]:
    low, high = max(round(FINE * SMALLEST_SHARE), side - 3), min(FINE, side + 3)
    for height in range(low, high + 1):
        for width in range(low, high + 1):
            if abs(height - width) <= 3:
                yield height, width
