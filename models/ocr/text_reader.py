"""Reading all text of a picture as well as can be: at several sizes, either way up, in reading order."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

import cv2
import numpy as np
from rapidfuzz.distance import LCSseq

from models.common.pixels import decode, shrink
from models.ocr.text_lines import DETECTOR, RECOGNIZER, TextLine, alphabet, cut_line, detect_lines, recognize

LONGEST, SHORTEST = 1536, 640
"""Pixels of the longer side at which small text is looked for: twice that of the picture, within these."""

PARTS = (1, 2, 4)
"""Large letters fall apart at the size at which small ones are found, so that size is halved twice."""

SURE = 0.9
"""Confidence from which a line isn't tried upside down."""

FLIP_MARGIN = 0.1
"""By how much a line must be read better upside down to be taken so."""

DOUBT = 0.9
"""Confidence of a sign that speaks neither for nor against a reading of a place."""

OVERLAPPING = 0.5
"""Share of the smaller of two boxes that lies in the other, from which both may be the same place."""

ALIKE = 0.7
"""Share of signs that two readings of one place have in common at least, unless their boxes are equal. A
short line in the box of a large slanted one is a line of its own."""

MAX_LINES = 300
"""Of one size of a picture; a page of a book has fewer."""

LEAST_CONFIDENCE = 0.5
"""What is read with less is fur and foliage; in a benchmark a blurred letter still has to count."""


class TextReader(Protocol):
    """Reads the text of a picture."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that decide what is read: engine, version, weights, settings."""
        ...

    def read(self, image: np.ndarray) -> list[TextLine]:
        """Returns the lines of an (H, W, 3) uint8 image in reading order; called from several threads."""
        ...

    def cannot_read(self, text: str) -> str:
        """Returns the signs of a text that the reader never names, empty where it knows all."""
        ...


class PpOcrReader:
    """RapidOCR's models, which read Chinese, Japanese and Latin script, on one thread a call.

    A picture of one megapixel takes about 4 seconds, most of it to look for small text.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """Engine, its version, weights and settings."""
        return {
            "reader": "rapidocr",
            "version": version("rapidocr"),
            "detector": DETECTOR,
            "recognizer": RECOGNIZER,
            "sides": f"twice the longer side, {SHORTEST} to {LONGEST}, and a half and a quarter of that",
            "least_confidence": LEAST_CONFIDENCE,
        }

    def read(self, image: np.ndarray) -> list[TextLine]:
        """Returns the lines of an (H, W, 3) uint8 image in reading order.

        Where several sizes give different readings of a place, the one with the most evidence is kept.
        """
        image = shrink(image, 2 * LONGEST)
        lines = [line for side in _sides(image) for line in _read_at(image, side)]
        return in_reading_order(best_of_each_place(lines))

    def cannot_read(self, text: str) -> str:
        """Returns the signs of a text that are not in the recognizer's alphabet."""
        known = alphabet()
        return "".join(sorted({char for char in text if not char.isspace() and char not in known}))


def read_file(reader: TextReader, data: bytes) -> list[TextLine]:
    """Returns the text of a picture file; a transparent one is read on white and on black.

    Raises:
        UnreadableImageError: the file does not decode.
    """
    on_white, on_black = decode(data), decode(data, ground="black")
    lines = reader.read(on_white)
    if np.array_equal(on_white, on_black):
        return lines
    others = reader.read(on_black)
    return others if sum(map(_evidence, others)) > sum(map(_evidence, lines)) else lines


def best_of_each_place(lines: Sequence[TextLine]) -> list[TextLine]:
    """Returns the lines that no better reading overlaps.

    Evidence is the sum over a line's signs of how far each is above doubt, so a whole line beats a part of it
    and a sure reading a guess.
    """
    kept: list[TextLine] = []
    for line in sorted(lines, key=lambda line: (-_evidence(line), line.text, line.corners.tolist())):
        if not any(_is_same_place(line, other) for other in kept):
            kept.append(line)
    return kept


def in_reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Returns lines row by row along the direction in which most of the text runs, from its top.

    Where most lines run from top to bottom, columns are read from right to left.
    """
    if not lines:
        return []
    boxes = np.stack([line.corners for line in lines])
    across, down = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]
    lengths, heights = np.linalg.norm(across, axis=1), np.linalg.norm(down, axis=1)
    upright = bool((heights > lengths).sum() * 2 > len(lines))
    longest = int(np.argmax(heights if upright else lengths))
    along = (down if upright else across)[longest]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    centres = boxes.mean(axis=1)
    # A column's next one is to its left, a row's next one below it: both are a quarter turn clockwise.
    places = centres @ along, centres @ np.array([-along[1], along[0]])
    order = _rows(places[1], lengths if upright else heights)
    return [lines[index] for row in order for index in sorted(row, key=lambda index: places[0][index])]


def _rows(places: np.ndarray, thickness: np.ndarray) -> list[list[int]]:
    """Returns the indices of lines by row: a line is in the row of the one before if it is beside it."""
    rows: list[list[int]] = []
    for index in np.argsort(places, kind="stable").tolist():
        last = rows[-1][0] if rows else None
        if last is not None and places[index] - places[last] < min(thickness[index], thickness[last]) / 2:
            rows[-1].append(index)
        else:
            rows.append([index])
    return rows


def _sides(image: np.ndarray) -> list[int]:
    finest = min(LONGEST, max(SHORTEST, 2 * max(image.shape[:2])))
    return [finest // part for part in PARTS]


def _read_at(image: np.ndarray, side: int) -> list[TextLine]:
    lines = []
    for corners in detect_lines(image, side=side)[:MAX_LINES]:
        text, confidence, corners = _either_way_up(image, corners)
        if text and confidence >= LEAST_CONFIDENCE:
            lines.append(TextLine(text, confidence, corners))
    return lines


def _either_way_up(image: np.ndarray, corners: np.ndarray) -> tuple[str, float, np.ndarray]:
    cut = cut_line(image, corners)
    text, confidence = recognize(cut)
    if confidence >= SURE:
        return text, confidence, corners
    turned, surer = recognize(np.ascontiguousarray(cut[::-1, ::-1]))
    if surer > confidence + FLIP_MARGIN:
        return turned, surer, np.roll(corners, 2, axis=0)
    return text, confidence, corners


def _evidence(line: TextLine) -> float:
    return round((line.confidence - DOUBT) * len(line.text), 6)


def _is_same_place(first: TextLine, second: TextLine) -> bool:
    areas = [cv2.contourArea(line.corners) for line in (first, second)]
    if min(areas) <= 0:
        return True  # a line without a place cannot be told from another
    shared, _ = cv2.intersectConvexConvex(first.corners, second.corners)
    if shared <= OVERLAPPING * min(areas):
        return False
    return shared > OVERLAPPING * (sum(areas) - shared) or _common(first.text, second.text) >= ALIKE


def _common(first: str, second: str) -> float:
    return LCSseq.similarity(first, second) / min(len(first), len(second))
