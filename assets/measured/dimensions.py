"""The measure of dimensions: width, height and shape of an image as it is seen."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one
from models.common.canonical import UnreadableImageError, read_header

TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""


def measure_dimensions(data: bytes) -> Mapping[str, Any]:
    """Returns the size in pixels of an image file after its EXIF orientation, without decoding it.

    - `width`, `height`, `short_side`, `pixels`: in pixels.
    - `aspect`: longer side by shorter side, at least 1.
    """
    try:
        header = read_header(data)
    except UnreadableImageError as error:
        return {"error": str(error)}
    width, height = header.width, header.height
    if header.orientation in TURNED:
        width, height = height, width
    return {
        "width": width,
        "height": height,
        "short_side": min(width, height),
        "pixels": width * height,
        "aspect": round(max(width, height) / min(width, height), 6),
    }


DIMENSIONS = ImageMeasure(
    name="dimensions",
    version="1",
    long_side=None,
    columns={
        "width": pl.Int64(),
        "height": pl.Int64(),
        "short_side": pl.Int64(),
        "pixels": pl.Int64(),
        "aspect": pl.Float64(),
    },
    run=one_by_one(measure_dimensions),
)
