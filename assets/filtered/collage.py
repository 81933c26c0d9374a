"""Collages: several pictures put together along straight seams (report 2.2.3)."""

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each

MIN_JUMP = 6
"""Levels by which two neighbouring pixels must differ at a seam."""

JUMP_RATIO = 1.5
"""A lens spreads an edge over some pixels, so there the next step is more than two thirds of the largest; a
seam is one step."""

MIN_SIDE = 24
EDGE_SHARE = 0.2
"""Of each side's length at its ends, where no seam is looked for: frames and crops end there."""

SINGLE_SEAM_HANDICAP = 0.4
"""A window bar or a wall can be one straight seam (up to 0.77 in all but one of 1,400 photographs and crops),
but not two that cross (up to 0.47)."""


def measure_collage(image: np.ndarray) -> Mapping[str, float]:
    """Returns how much of a seam an (H, W, 3) uint8 image has.

    - `vertical`, `horizontal`: share of the side's length along which the strongest seam jumps, 0 to 1.
    - `score`: that of the weaker of the two, as in a 2x2 collage, or of the stronger less 0.4, as for two
      pictures side by side.
    """
    vertical = _strongest_seam(image)
    horizontal = _strongest_seam(cv2.transpose(image))
    score = max(min(vertical, horizontal), max(vertical, horizontal) - SINGLE_SEAM_HANDICAP)
    return {"vertical": vertical, "horizontal": horizontal, "score": score}


def _strongest_seam(image: np.ndarray) -> float:
    """Returns the largest share of rows that jump from one column to the next, and only there."""
    height, width = image.shape[:2]
    if width < MIN_SIDE or height < MIN_SIDE:
        return 0.0
    steps = np.max(cv2.split(cv2.absdiff(image[:, 1:], image[:, :-1])), axis=0).astype(np.float32)
    beside = np.maximum(steps[:, :-2], steps[:, 2:])
    shares = (steps[:, 1:-1] > JUMP_RATIO * beside + MIN_JUMP).mean(axis=0)
    margin = int(len(shares) * EDGE_SHARE)
    return float(shares[margin : len(shares) - margin].max())


COLLAGE = Measure(
    name="collage",
    version="1",
    long_side=1024,
    columns=dict.fromkeys(("vertical", "horizontal", "score"), pl.Float64()),
    run=each(measure_collage),
)
