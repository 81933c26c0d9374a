"""Privacy masks: black bars laid over eyes, plates and names (report 2.2.3)."""

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each

BLACK = 24
"""Levels up to which a pixel of a bar lies, JPEG's ringing included."""

BRIGHTER = 8
LONG_SHARE, SHORT_SHARE = 0.25, 0.08
"""Shares of the picture's sides that a bar's sides have at least."""

MIN_FILL = 0.92
MIN_VISIBLE = 0.75
"""Share of a bar's outline that must show against what is around it."""


def measure_privacy_mask(image: np.ndarray) -> Mapping[str, float]:
    """Returns `share`, the part of an (H, W, 3) uint8 image that its largest black bar covers, 0 without one.

    A bar is an upright rectangle of black, a quarter of the picture long or more, that doesn't reach from
    border to border as a letterbox does.
    """
    channels = cv2.split(image)
    brightest = cv2.max(channels[0], cv2.max(channels[1], channels[2]))
    black = cv2.inRange(brightest, 0, BLACK)
    bright = cv2.GaussianBlur(brightest, (3, 3), 0) > BLACK + BRIGHTER
    lying = _largest_bar(black, bright, (LONG_SHARE, SHORT_SHARE))
    standing = _largest_bar(black, bright, (SHORT_SHARE, LONG_SHARE))
    return {"share": max(lying, standing)}


def _largest_bar(black: np.ndarray, bright: np.ndarray, shares: tuple[float, float]) -> float:
    height, width = black.shape
    size = max(4, int(shares[0] * width)), max(4, int(shares[1] * height))
    if size[0] >= width or size[1] >= height:
        return 0.0
    # Opening leaves only what such a rectangle fits into, cut free from dark things that touch it.
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
    return len(outline) >= 3 and float(np.concatenate(outline).mean()) >= MIN_VISIBLE


PRIVACY_MASK = Measure(
    name="privacy_mask",
    version="2",
    long_side=512,
    columns={"share": pl.Float64()},
    run=each(measure_privacy_mask),
)
