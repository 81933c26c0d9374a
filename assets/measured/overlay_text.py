"""Visible text laid over pictures: captions, watermarks, banners (report 2.2.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each, read_measures
from assets.lake.lake import Lake
from models.common.pixels import shrink
from models.ocr.text_lines import TextLine, read_lines

GATE_SIDE = 256
SEARCHED_SIDES = (192, 384)
"""Pixels of the longer side of the copy that is searched: smaller images are enlarged to the first, larger
ones shrunk to the second. At 384, all of 29 captions of 4.5 % of a photograph's height are read, and 7 in 10
of 3 %; at 256, two thirds and a fifth. It takes 20 ms at 192 pixels and 60 ms at 384."""

MIN_STROKES = 20.0
"""Levels by which thin strokes stand out, in the mean of a window of a fifth by a twentieth of the picture.
Two in five small crops stay below it and are not searched, one in ten photographs, 2 of 82 designs with text,
and none of 50 pictures with a caption."""

MAX_STROKE = 80
MIN_CONFIDENCE = 0.6
"""What is read with less is mostly fur and foliage."""

OVERLAY_CONFIDENCE = 0.8
MAX_TILT = 3.0
"""Degrees between a line and the picture's axes up to which it counts as laid over; signs in a scene are seen
at an angle."""


def measure_overlay_text(image: np.ndarray) -> Mapping[str, Any]:
    """Returns the text in an (H, W, 3) uint8 image, and how much of it seems laid over.

    Text counts as laid over if it is read clearly and runs along the picture's axes, as captions, watermarks
    and banners do; most signs in a scene are seen at an angle. A sign seen straight on looks the same as a
    caption and counts too. Scripts other than Latin and Chinese are not read, and not found.

    - `area`: share of the picture under clearly read lines of two signs or more along the picture's axes.
    - `lines`: number of all lines that were read.
    - `text`: what they say, a line each, from top to bottom; empty without any.
    """
    side = int(np.clip(max(image.shape[:2]), *SEARCHED_SIDES))
    read = read_lines(image, side=side) if _has_strokes(image) else []
    lines = [line for line in read if line.confidence >= MIN_CONFIDENCE and len(line.text) > 1]
    covered = sum(cv2.contourArea(line.corners) for line in lines if _is_overlay(line))
    return {
        "area": min(1.0, covered / (image.shape[0] * image.shape[1])),
        "lines": len(lines),
        "text": "\n".join(line.text for line in lines),
    }


def recognized_texts(lake: Lake, shards: Sequence[str]) -> dict[str, str]:
    """Returns the text in each image of some measured shards by image id, empty where there is none."""
    measured = read_measures(lake, [OVERLAY_TEXT], shards).drop_nulls("overlay_text.text")
    return dict(measured.select("id", "overlay_text.text").iter_rows())


def _has_strokes(image: np.ndarray) -> bool:
    """Returns whether thin bright or dark strokes crowd somewhere as in a line of text."""
    grey = cv2.cvtColor(shrink(image, GATE_SIDE), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    stroke = np.ones((1, max(5, width // 24)), np.uint8)
    window = max(3, width // 5), max(3, height // 20)
    for thinner in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = np.minimum(cv2.morphologyEx(grey, thinner, stroke), MAX_STROKE).astype(np.float32)
        if cv2.blur(strokes, window).max() >= MIN_STROKES:
            return True
    return False


def _is_overlay(line: TextLine) -> bool:
    across, down = line.corners[1] - line.corners[0]
    tilt = np.degrees(np.arctan2(down, across)) % 90
    return line.confidence >= OVERLAY_CONFIDENCE and bool(min(tilt, 90 - tilt) <= MAX_TILT)


OVERLAY_TEXT = Measure(
    name="overlay_text",
    version="3",
    long_side=1024,
    columns={"area": pl.Float64(), "lines": pl.Int64(), "text": pl.String()},
    run=each(measure_overlay_text),
)
