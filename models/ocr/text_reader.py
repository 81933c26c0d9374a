"""Reads all text of an image: at several sizes, upright and upside down, in reading order."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

import cv2
import numpy as np
from rapidfuzz.distance import LCSseq

from models.common.pixels import decode, shrink
from models.ocr.text_lines import DETECTOR, RECOGNIZER, TextLine, alphabet, cut_line, detect_lines, recognize

MAX_SEARCHED_SIDE, MIN_SEARCHED_SIDE = 1536, 640
"""Limits of the longer side in pixels of the copy searched for small text; it is twice that of the image."""

SIDE_DIVISORS = (1, 2, 4)
"""The search is repeated at these fractions of the size, because large letters are split at full size."""

CONFIDENT = 0.9
"""Confidence from which a line is not tried upside down."""

FLIP_MARGIN = 0.1
"""Smallest gain in confidence for which the upside-down reading is used."""

NEUTRAL_CONFIDENCE = 0.9
"""Confidence at which a character is evidence neither for nor against a reading."""

MIN_OVERLAP = 0.5
"""Smallest share of the smaller of two boxes inside the other for both to be the same text."""

MIN_COMMON_SHARE = 0.7
"""Smallest share of common characters of two readings of the same text, unless their boxes are nearly equal.
A short line inside the box of a large slanted one is a separate line."""

MAX_LINES = 300
"""Largest number of lines at one size; a page of a book has fewer."""

MIN_CONFIDENCE = 0.5
"""Smallest confidence; below it most readings are of fur and foliage. Blurred letters must still count."""


class TextReader(Protocol):
    """Reads the text in images."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that identify the reader: engine, version, weights and settings."""
        ...

    def read(self, image: np.ndarray) -> list[TextLine]:
        """Returns the lines of an (H, W, 3) uint8 image in reading order; must be thread-safe."""
        ...

    def cannot_read(self, text: str) -> str:
        """Returns the characters of a text that the reader cannot read."""
        ...


class PpOcrReader:
    """The models of RapidOCR, which read Chinese, Japanese and Latin script, on one thread per call.

    An image of one megapixel takes about 4 seconds, most of it for the search for small text.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """Engine, its version, weights and settings."""
        return {
            "reader": "rapidocr",
            "version": version("rapidocr"),
            "detector": DETECTOR,
            "recognizer": RECOGNIZER,
            "sides": f"twice the longer side, {MIN_SEARCHED_SIDE} to {MAX_SEARCHED_SIDE}, "
            "and a half and a quarter of that",
            "least_confidence": MIN_CONFIDENCE,
        }

    def read(self, image: np.ndarray) -> list[TextLine]:
        """Returns the lines of an (H, W, 3) uint8 image in reading order.

        If several sizes give different readings of the same text, the one with the most evidence is kept.
        """
        image = shrink(image, 2 * MAX_SEARCHED_SIDE)
        lines = [line for side in _sides(image) for line in _read_at(image, side)]
        return in_reading_order(best_of_each_place(lines))

    def cannot_read(self, text: str) -> str:
        """Returns the characters of a text that are not in the alphabet of the recognizer."""
        known = alphabet()
        return "".join(sorted({char for char in text if not char.isspace() and char not in known}))


def read_file(reader: TextReader, data: bytes) -> list[TextLine]:
    """Returns the lines of an image file; a transparent image is read on white and on black.

    Raises:
        UnreadableImageError: the file cannot be decoded.
    """
    on_white, on_black = decode(data), decode(data, ground="black")
    lines = reader.read(on_white)
    if np.array_equal(on_white, on_black):
        return lines
    others = reader.read(on_black)
    return others if sum(map(_evidence, others)) > sum(map(_evidence, lines)) else lines


def best_of_each_place(lines: Sequence[TextLine]) -> list[TextLine]:
    """Returns the lines that are not overlapped by a reading with more evidence.

    The evidence of a line is the sum over its characters of the confidence minus `NEUTRAL_CONFIDENCE`. A
    complete line therefore has more than a part of it, and a confident reading more than a guess.
    """
    kept: list[TextLine] = []
    for line in sorted(lines, key=lambda line: (-_evidence(line), line.text, line.corners.tolist())):
        if not any(_is_same_place(line, other) for other in kept):
            kept.append(line)
    return kept


def in_reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Returns lines row by row, from the top, in the direction of the longest line.

    If most lines are vertical, columns are returned from right to left.
    """
    if not lines:
        return []
    boxes = np.stack([line.corners for line in lines])
    across, down = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]
    lengths, heights = np.linalg.norm(across, axis=1), np.linalg.norm(down, axis=1)
    vertical = bool((heights > lengths).sum() * 2 > len(lines))
    longest = int(np.argmax(heights if vertical else lengths))
    along = (down if vertical else across)[longest]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    centres = boxes.mean(axis=1)
    # The next column is to the left, the next row below: both directions are a quarter turn clockwise.
    positions = centres @ along, centres @ np.array([-along[1], along[0]])
    order = _rows(positions[1], lengths if vertical else heights)
    return [lines[index] for row in order for index in sorted(row, key=lambda index: positions[0][index])]


def _rows(positions: np.ndarray, thickness: np.ndarray) -> list[list[int]]:
    """Returns the indices of lines by row; a line beside the first one of a row belongs to that row."""
    rows: list[list[int]] = []
    for index in np.argsort(positions, kind="stable").tolist():
        last = rows[-1][0] if rows else None
        if (
            last is not None
            and positions[index] - positions[last] < min(thickness[index], thickness[last]) / 2
        ):
            rows[-1].append(index)
        else:
            rows.append([index])
    return rows


def _sides(image: np.ndarray) -> list[int]:
    finest = min(MAX_SEARCHED_SIDE, max(MIN_SEARCHED_SIDE, 2 * max(image.shape[:2])))
    return [finest // part for part in SIDE_DIVISORS]


def _read_at(image: np.ndarray, side: int) -> list[TextLine]:
    lines = []
    for corners in detect_lines(image, side=side)[:MAX_LINES]:
        text, confidence, corners = _either_way_up(image, corners)
        if text and confidence >= MIN_CONFIDENCE:
            lines.append(TextLine(text, confidence, corners))
    return lines


def _either_way_up(image: np.ndarray, corners: np.ndarray) -> tuple[str, float, np.ndarray]:
    cut = cut_line(image, corners)
    text, confidence = recognize(cut)
    if confidence >= CONFIDENT:
        return text, confidence, corners
    rotated, rotated_confidence = recognize(np.ascontiguousarray(cut[::-1, ::-1]))
    if rotated_confidence > confidence + FLIP_MARGIN:
        return rotated, rotated_confidence, np.roll(corners, 2, axis=0)
    return text, confidence, corners


def _evidence(line: TextLine) -> float:
    return round((line.confidence - NEUTRAL_CONFIDENCE) * len(line.text), 6)


def _is_same_place(first: TextLine, second: TextLine) -> bool:
    areas = [cv2.contourArea(line.corners) for line in (first, second)]
    if min(areas) <= 0:
        return True  # a line without an area cannot be distinguished from others
    shared, _ = cv2.intersectConvexConvex(first.corners, second.corners)
    if shared <= MIN_OVERLAP * min(areas):
        return False
    return (
        shared > MIN_OVERLAP * (sum(areas) - shared)
        or _common_share(first.text, second.text) >= MIN_COMMON_SHARE
    )


def _common_share(first: str, second: str) -> float:
    return LCSseq.similarity(first, second) / min(len(first), len(second))
