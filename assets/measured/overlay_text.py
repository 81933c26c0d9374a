"""The measure of text laid over images: captions, watermarks, banners (report 2.2.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one, read_measures
from assets.lake.lake import Lake
from models.common.pixels import shrink
from models.ocr.text_lines import TextLine, read_lines

GATE_SIDE = 256
SEARCHED_SIDES = (192, 384)
"""Longer side in pixels of the searched copy: smaller images are enlarged to the first value, larger ones
shrunk to the second. At 384 all of 29 captions with 4.5 % of the height of a photograph are read, and 70 %
of those with 3 %; at 256, 67 % and 20 %. A search takes 20 ms at 192 pixels and 60 ms at 384."""

MIN_STROKES = 20.0
"""Smallest mean contrast of thin strokes, in levels, in some window of 1/5 by 1/20 of the image. Images
below it are not searched: 40 % of small crops, 10 % of photographs, 2 of 82 designs with text, none of 50
images with a caption."""

MAX_STROKE = 80
MIN_CONFIDENCE = 0.6
"""Below this confidence most readings are of fur and foliage."""

OVERLAY_CONFIDENCE = 0.8
MAX_TILT = 3.0
"""Largest angle in degrees between overlaid text and the axes of the image; signs in a scene are usually at
a larger angle."""


def measure_overlay_text(image: np.ndarray) -> Mapping[str, Any]:
    """Returns the text in an (H, W, 3) uint8 image, and the area of overlaid text.

    Text counts as overlaid if it is read with high confidence and parallel to the axes of the image, as
    captions, watermarks and banners are. Most signs in a scene are at an angle; one photographed straight on
    counts as overlaid too. Only Latin and Chinese script is read.

    - `area`: share of the image covered by overlaid lines of two or more characters.
    - `lines`: number of all lines read.
    - `text`: the lines, one per row, from top to bottom; empty if there are none.
    """
    side = int(np.clip(max(image.shape[:2]), *SEARCHED_SIDES))
    detected = read_lines(image, side=side) if _has_strokes(image) else []
    lines = [line for line in detected if line.confidence >= MIN_CONFIDENCE and len(line.text) > 1]
    covered = sum(cv2.contourArea(line.corners) for line in lines if _is_overlay(line))
    return {
        "area": min(1.0, covered / (image.shape[0] * image.shape[1])),
        "lines": len(lines),
        "text": "\n".join(line.text for line in lines),
    }


def recognized_texts(lake: Lake, shards: Sequence[str]) -> dict[str, str]:
    """Returns the text in each image of some measured shards by image id; empty if it has none."""
    measured = read_measures(lake, [OVERLAY_TEXT], shards).drop_nulls("overlay_text.text")
    return dict(measured.select("id", "overlay_text.text").iter_rows())


def _has_strokes(image: np.ndarray) -> bool:
    """Returns whether some window has many thin bright or dark strokes, as a line of text has."""
    grey = cv2.cvtColor(shrink(image, GATE_SIDE), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    stroke = np.ones((1, max(5, width // 24)), np.uint8)
    window = max(3, width // 5), max(3, height // 20)
    for operation in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = np.minimum(cv2.morphologyEx(grey, operation, stroke), MAX_STROKE).astype(np.float32)
        if cv2.blur(strokes, window).max() >= MIN_STROKES:
            return True
    return False


def _is_overlay(line: TextLine) -> bool:
    across, down = line.corners[1] - line.corners[0]
    tilt = np.degrees(np.arctan2(down, across)) % 90
    return line.confidence >= OVERLAY_CONFIDENCE and bool(min(tilt, 90 - tilt) <= MAX_TILT)


OVERLAY_TEXT = ImageMeasure(
    name="overlay_text",
    version="3",
    long_side=1024,
    columns={"area": pl.Float64(), "lines": pl.Int64(), "text": pl.String()},
    run=one_by_one(measure_overlay_text),
)
