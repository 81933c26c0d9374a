"""Collages: several pictures put together along straight seams (report 2.2.3)."""

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each

MIN_JUMP = 6
"""Levels by which the pixels on both sides of a seam must differ."""

JUMP_RATIO = 1.5
"""A seam jumps within two pixels (one, or two after scaling), this much further than the steps beside it."""

MIN_SIDE = 24
EDGE_SHARE = 0.2
"""Of each side's length at its ends, where no seam is looked for: frames and crops end there."""

PARTS = 8
"""Of a seam's length; it is to be seen in each, while the outline of something ends somewhere."""

GUTTER_SHARE = 0.08
"""Of a side: the widest strip of one colour that counts as the gap between two pictures."""

GUTTER_DEVIATION = 8.0
"""Levels by which a strip of one colour may vary along its length, for compression's sake."""

MIN_FULLNESS = 0.25
"""Of a seam that can be the side of a gutter."""

SINGLE_SEAM_HANDICAP = 0.5
"""A tower or a door frame can be one straight seam from border to border (of 1,900 photographs and crops five
reach 0.95), but not two that cross (up to 0.50)."""


def measure_collage(image: np.ndarray) -> Mapping[str, float]:
    """Returns how much of a seam an (H, W, 3) uint8 image has.

    - `vertical`, `horizontal`: how full the strongest seam is, 0 to 1: the share of its length along which
      it jumps, lower where it does so in some parts only.
    - `gutter`: how full both sides of the best strip of one colour are that runs from border to border.
    - `score`: the weaker of the two seams, as in a 2x2 collage, the gutter, or the stronger seam less 0.5,
      whichever is highest.
    """
    (vertical, standing), (horizontal, lying) = _seams(image), _seams(cv2.transpose(image))
    gutter = max(standing, lying)
    single = max(vertical, horizontal) - SINGLE_SEAM_HANDICAP
    score = max(min(vertical, horizontal), gutter, single)
    return {"vertical": vertical, "horizontal": horizontal, "gutter": gutter, "score": score}


def _seams(image: np.ndarray) -> tuple[float, float]:
    """Returns how full the best upright seam is, and the weaker side of the best upright gutter."""
    height, width = image.shape[:2]
    if width < MIN_SIDE or height < MIN_SIDE:
        return 0.0, 0.0
    step = _brightest(cv2.absdiff(image[:, 1:], image[:, :-1]))
    jump = _brightest(cv2.absdiff(image[:, 2:], image[:, :-2]))
    jumps = jump[:, 1:-1] > JUMP_RATIO * np.maximum(step[:, :-3], step[:, 3:]) + MIN_JUMP
    parts = cv2.resize(jumps.astype(np.float32), (width - 4, PARTS), interpolation=cv2.INTER_AREA)
    fullness = np.zeros(width, np.float32)  # of the seam whose two pixels are the neighbours of a column
    fullness[2:-2] = np.cbrt(parts).mean(axis=0) ** 3
    margin = int(width * EDGE_SHARE)
    fullness[:margin] = fullness[width - margin :] = 0
    return float(fullness.max()), _gutter(image, fullness)


def _gutter(image: np.ndarray, fullness: np.ndarray) -> float:
    """Returns how full the weaker side is of the best strip of columns that are each of one colour."""
    sides = np.flatnonzero(fullness >= MIN_FULLNESS)
    if sides.size < 2:
        return 0.0
    busy = image.std(axis=0).max(axis=1) > GUTTER_DEVIATION
    busy_before = np.concatenate([[0], np.cumsum(busy)])
    widest = GUTTER_SHARE * image.shape[1]
    best = 0.0
    for left in sides:
        rights = sides[(sides > left + 1) & (sides <= left + 1 + widest)]
        clear = rights[busy_before[rights] == busy_before[left + 1]]
        if clear.size:
            best = max(best, float(min(fullness[left], fullness[clear].max())))
    return best


def _brightest(image: np.ndarray) -> np.ndarray:
    """Returns the largest channel of each pixel, (H, W) float32."""
    return np.max(cv2.split(image), axis=0).astype(np.float32)


COLLAGE = Measure(
    name="collage",
    version="2",
    long_side=1024,
    columns=dict.fromkeys(("vertical", "horizontal", "gutter", "score"), pl.Float64()),
    run=each(measure_collage),
)
