"""The measure of collages: several images joined along straight seams (report 2.2.3)."""

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one

MIN_JUMP = 6
"""Smallest difference in levels of the pixels on both sides of a seam."""

JUMP_RATIO = 1.5
"""Smallest ratio of the jump across a seam, within two pixels, to the steps beside it."""

MIN_SIDE = 24
EDGE_SHARE = 0.2
"""Share of a side at both ends where seams are ignored, because frames and borders are there."""

PARTS = 8
"""Parts of a seam; it must be visible in each, whereas the outline of an object ends somewhere."""

GUTTER_SHARE = 0.08
"""Share of a side: the widest strip of one colour that counts as the gap between two images."""

GUTTER_DEVIATION = 8.0
"""Levels by which a strip of one colour may vary along its length, to allow for compression."""

MIN_FULLNESS = 0.25
"""Smallest fullness of a seam that can be the side of a gutter."""

SINGLE_SEAM_HANDICAP = 0.5
"""Subtracted from a single seam. A tower or a door frame can look like one straight seam (5 of 1,900
photographs and crops reach 0.95), but not like two crossing seams (at most 0.50)."""


def measure_collage(image: np.ndarray) -> Mapping[str, float]:
    """Returns the strength of the seams in an (H, W, 3) uint8 image.

    - `vertical`, `horizontal`: fullness of the strongest seam, 0 to 1: the share of its length with a jump,
      reduced if the jumps are in a few parts only.
    - `gutter`: fullness of the weaker side of the best strip of one colour from border to border.
    - `score`: the maximum of the weaker seam (as in a 2x2 collage), the gutter, and the stronger seam minus
      0.5.
    """
    (vertical, vertical_gutter), (horizontal, horizontal_gutter) = _seams(image), _seams(cv2.transpose(image))
    gutter = max(vertical_gutter, horizontal_gutter)
    single = max(vertical, horizontal) - SINGLE_SEAM_HANDICAP
    score = max(min(vertical, horizontal), gutter, single)
    return {"vertical": vertical, "horizontal": horizontal, "gutter": gutter, "score": score}


def _seams(image: np.ndarray) -> tuple[float, float]:
    """Returns the fullness of the best vertical seam, and of the weaker side of the best vertical gutter."""
    height, width = image.shape[:2]
    if width < MIN_SIDE or height < MIN_SIDE:
        return 0.0, 0.0
    step = _brightest(cv2.absdiff(image[:, 1:], image[:, :-1]))
    jump = _brightest(cv2.absdiff(image[:, 2:], image[:, :-2]))
    jumps = jump[:, 1:-1] > JUMP_RATIO * np.maximum(step[:, :-3], step[:, 3:]) + MIN_JUMP
    parts = cv2.resize(jumps.astype(np.float32), (width - 4, PARTS), interpolation=cv2.INTER_AREA)
    fullness = np.zeros(width, np.float32)  # of the seam between the two neighbours of a column
    fullness[2:-2] = np.cbrt(parts).mean(axis=0) ** 3
    margin = int(width * EDGE_SHARE)
    fullness[:margin] = fullness[width - margin :] = 0
    return float(fullness.max()), _gutter(image, fullness)


def _gutter(image: np.ndarray, fullness: np.ndarray) -> float:
    """Returns the fullness of the weaker side of the best strip of uniform columns."""
    sides = np.flatnonzero(fullness >= MIN_FULLNESS)
    if sides.size < 2:
        return 0.0
    is_varied = image.std(axis=0).max(axis=1) > GUTTER_DEVIATION
    varied_before = np.concatenate([[0], np.cumsum(is_varied)])
    widest = GUTTER_SHARE * image.shape[1]
    best = 0.0
    for left in sides:
        rights = sides[(sides > left + 1) & (sides <= left + 1 + widest)]
        uniform = rights[varied_before[rights] == varied_before[left + 1]]
        if uniform.size:
            best = max(best, float(min(fullness[left], fullness[uniform].max())))
    return best


def _brightest(image: np.ndarray) -> np.ndarray:
    """Returns the largest channel of each pixel, (H, W) float32."""
    return np.max(cv2.split(image), axis=0).astype(np.float32)


COLLAGE = ImageMeasure(
    name="collage",
    version="2",
    long_side=1024,
    columns=dict.fromkeys(("vertical", "horizontal", "gutter", "score"), pl.Float64()),
    run=one_by_one(measure_collage),
)
