"""Where an edit belongs: in a mask, where a known truth changes anything, and else where its text stands."""

from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.metrics.registration import resized_to
from benchmarks.metrics.text.places import Box
from benchmarks.suites.item import BenchItem, Picture
from models.common.pixels import shrink

CHANGED = 12
"""Levels of the most changed channel from which a pixel of the truth counts as edited; JPEG moves less."""

SPECKLE = 3
"""Pixels across which a lone change is taken for noise of compression."""

GROWN_SHARE = 0.01
"""Of the longer side by which a region is grown, so that soft edges and small misplacements are in it."""

MASKED = 128
"""Grey level from which a pixel of a mask is white; masks are often stored as JPEG."""


def edit_region(item: BenchItem, long_side: int | None = None) -> np.ndarray | None:
    """Returns where an item may change, (H, W) bool of its source's size; None where nothing says so.

    With `long_side` source and truth are shrunk to it first, and so is the region.

    Mask and truth count together: a mask of where moved text comes to says nothing of where it was.

    Raises:
        MissingPictureError: an image of the item is missing.
        UnreadableImageError: one does not decode.
    """
    source = _shrunk(item.sources[0], long_side)
    height, width = source.shape[:2]
    regions = []
    if item.mask is not None:
        mask = resized_to(item.mask.pixels(), height, width)
        regions.append(grown(mask.max(axis=2) >= MASKED))
    truth = None if item.truth is None else _shrunk(item.truth, long_side)
    if truth is not None and truth.shape == source.shape:
        regions.append(changed_region(source, truth))
    return np.logical_or.reduce(regions) if regions else None


def _shrunk(picture: Picture, long_side: int | None) -> np.ndarray:
    # Decoded whole: a JPEG decoded at a reduced scale differs from a PNG of the same pixels shrunk.
    pixels = picture.pixels()
    return pixels if long_side is None else shrink(pixels, long_side)


def changed_region(source: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Returns where two images (H, W, 3) uint8 of equal size differ, (H, W) bool, grown a little."""
    change = np.abs(source.astype(np.int16) - truth.astype(np.int16)).max(axis=2)
    edited = (change >= CHANGED).astype(np.uint8)
    return grown(cv2.morphologyEx(edited, cv2.MORPH_OPEN, np.ones((SPECKLE, SPECKLE), np.uint8)).astype(bool))


def text_region(boxes: Sequence[Box], shape: tuple[int, int], scale: float) -> np.ndarray:
    """Returns where lines of text stand, (H, W) bool, grown a little.

    Args:
        boxes: corners of the lines.
        shape: (H, W).
        scale: by which corners are multiplied, where the image was shrunk after it was read.
    """
    drawn = np.zeros(shape, np.uint8)
    for box in boxes:
        cv2.fillPoly(drawn, [np.round(np.asarray(box) * scale).astype(np.int32)], 1)
    return grown(drawn.astype(bool)) if boxes else drawn.astype(bool)


def grown(region: np.ndarray) -> np.ndarray:
    """Returns a region (H, W) bool with a margin around it."""
    side = 2 * max(1, round(GROWN_SHARE * max(region.shape))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(region.astype(np.uint8), kernel).astype(bool)
