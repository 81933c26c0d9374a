"""The measure of privacy masks: black bars over eyes, licence plates and names (report 2.2.3)."""

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one

BLACK = 24
"""Highest level of a pixel of a bar, including JPEG ringing."""

MIN_CONTRAST = 8
LONG_SHARE, SHORT_SHARE = 0.25, 0.08
"""Smallest sides of a bar as shares of the sides of the image."""

MIN_FILL = 0.92
MIN_VISIBLE_OUTLINE = 0.75
"""Smallest share of the outline of a bar that contrasts with its surroundings."""


def measure_privacy_mask(image: np.ndarray) -> Mapping[str, float]:
    """Returns `share`, the share of an (H, W, 3) uint8 image covered by its largest black bar, or 0.

    A bar is a black axis-aligned rectangle at least a quarter of the image long. It does not reach from
    border to border, as a letterbox does.
    """
    channels = cv2.split(image)
    brightest = cv2.max(channels[0], cv2.max(channels[1], channels[2]))
    black = cv2.inRange(brightest, 0, BLACK)
    bright = cv2.GaussianBlur(brightest, (3, 3), 0) > BLACK + MIN_CONTRAST
    horizontal = _largest_bar(black, bright, (LONG_SHARE, SHORT_SHARE))
    vertical = _largest_bar(black, bright, (SHORT_SHARE, LONG_SHARE))
    return {"share": max(horizontal, vertical)}


def _largest_bar(black: np.ndarray, bright: np.ndarray, shares: tuple[float, float]) -> float:
    height, width = black.shape
    size = max(4, int(shares[0] * width)), max(4, int(shares[1] * height))
    if size[0] >= width or size[1] >= height:
        return 0.0
    # Opening removes everything that such a rectangle does not fit into, including dark objects that touch
    # it.
    opened = cv2.morphologyEx(
        black, cv2.MORPH_OPEN, np.ones(size[::-1], np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=[0]
    )
    _, _, boxes, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    bars = [area for *box, area in boxes[1:].tolist() if _is_bar(box, area, bright)]
    return max(bars, default=0) / (height * width)


def _is_bar(box: list[int], area: int, bright: np.ndarray) -> bool:
    left, top, wide, high = box
    height, width = bright.shape
    if area < MIN_FILL * wide * high or wide >= width - 2 or high >= height - 2:
        return False
    rows = [row for row in (top - 3, top + high + 2) if 0 <= row < height]
    columns = [column for column in (left - 3, left + wide + 2) if 0 <= column < width]
    outline = [bright[row, left : left + wide] for row in rows]
    outline += [bright[top : top + high, column] for column in columns]
    return len(outline) >= 3 and float(np.concatenate(outline).mean()) >= MIN_VISIBLE_OUTLINE


PRIVACY_MASK = ImageMeasure(
    name="privacy_mask",
    version="2",
    long_side=512,
    columns={"share": pl.Float64()},
    run=one_by_one(measure_privacy_mask),
)
