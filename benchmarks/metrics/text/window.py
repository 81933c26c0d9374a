"""Where in a recognized page does a text stand? The lines around it must not count against it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.metrics.text.normal import folded, is_letter

SIGN = 1 << 24
EDIT = SIGN << 16
"""A key is edits, then signs taken into the window for nothing or in the wrong case, then the number of a
path: of equally good windows the shortest is taken, and of those the one that begins first."""

NOWHERE = 1 << 62


class Piece(NamedTuple):
    """A part of a line, from `start` to before `end`, and what joins it to the piece before."""

    line: int
    start: int
    end: int
    glue: str


class Window(NamedTuple):
    """A text as it was found."""

    text: str
    pieces: tuple[Piece, ...]


class _Step(NamedTuple):
    """How a path came to a line: from which path, where it entered, and what joins both."""

    before: int | None
    line: int
    start: int
    glue: str


def best_window(lines: Sequence[str], target: str) -> Window:
    """Returns the part of a page with the fewest edits to a target; empty where nothing there is like it.

    A window begins and ends at the edge of a word, so that "PLANES" is not a right "PLANE". It may go on in a
    later line: the break counts as the space that the target has there, or as nothing, and lines between may
    be left out as a whole. Edits are insertions and deletions of one sign, so that a word of which less than
    half is right is not taken, and no other text on the page can better a score by its spaces. Case is no
    edit: it only decides between windows that are equally good otherwise.

    Args:
        lines: normal texts, none empty, in reading order.
        target: normal, not empty.

    Source: Sellers, The theory and computation of evolutionary distances, 1980.
    """
    search = _Search(lines)
    keys = search.first_row()
    for sign in target:
        keys = search.next_row(keys, sign)
    return search.window(keys, len(target))


def without(lines: Sequence[str], window: Window) -> list[str]:
    """Returns the lines less a window; what is left of a line before and after it are lines of their own."""
    taken = {piece.line: piece for piece in window.pieces}
    left = []
    for number, line in enumerate(lines):
        piece = taken.get(number)
        parts = [line] if piece is None else [line[: piece.start].strip(), line[piece.end :].strip()]
        left += [part for part in parts if part]
    return left


class _Search:
    """The table of edit distances, row by row: `keys[line][place]` is the best way to read the target so far
    and to stand before the sign at that place."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.signs = [np.array([ord(char) for char in line]) for line in lines]
        self.small = [np.array([ord(char) for char in folded(line)]) for line in lines]
        self.starts = [_starts(line) for line in lines]
        self.ends = [_ends(line) for line in lines]
        self.paths: list[_Step] = []

    def first_row(self) -> list[np.ndarray]:
        """Returns the keys before any sign of the target: a window may begin wherever a word does."""
        rows = []
        for number, line in enumerate(self.lines):
            row = np.full(len(line) + 1, NOWHERE, np.int64)
            for start in self.starts[number]:
                row[start] = self._path(None, number, start, "")
            rows.append(_with_insertions(row))
        return rows

    def next_row(self, before: list[np.ndarray], sign: str) -> list[np.ndarray]:
        """Returns the keys after one more sign of the target."""
        rows, ends_before, ends = [], NOWHERE, NOWHERE
        for number, above in enumerate(before):
            row = above + EDIT
            wrong_case = np.where(self.signs[number] == ord(sign), 0, SIGN)
            equal = np.where(self.small[number] == ord(folded(sign)), above[:-1] + wrong_case, NOWHERE)
            np.minimum(row[1:], equal, out=row[1:])
            if sign == " ":
                row[0] = self._entered(row[0], ends_before, number, " ")
            row[0] = self._entered(row[0], ends, number, "")
            row = _with_insertions(row)
            rows.append(row)
            ends_before, ends = min(ends_before, int(above[-1])), min(ends, int(row[-1]))
        return rows

    def window(self, keys: list[np.ndarray], length: int) -> Window:
        """Returns the best window of a finished table."""
        ends = ((int(row[end]), number, end) for number, row in enumerate(keys) for end in self.ends[number])
        key, _, end = min(ends, default=(NOWHERE, 0, 0))
        if key // EDIT >= length:
            return Window("", ())
        pieces: list[Piece] = []
        path: int | None = key % SIGN
        while path is not None:
            step = self.paths[path]
            pieces.append(Piece(step.line, step.start, end, step.glue))
            path = step.before
            end = len(self.lines[self.paths[path].line]) if path is not None else 0
        pieces.reverse()
        text = "".join(piece.glue + self.lines[piece.line][piece.start : piece.end] for piece in pieces)
        return Window(text, tuple(pieces))

    def _entered(self, key: np.int64, from_end: int, number: int, glue: str) -> int:
        """Returns the key of a line's start, entered from the end of an earlier line where that is better."""
        if from_end // SIGN >= int(key) // SIGN:
            return int(key)
        return from_end // SIGN * SIGN + self._path(from_end % SIGN, number, 0, glue)

    def _path(self, before: int | None, line: int, start: int, glue: str) -> int:
        self.paths.append(_Step(before, line, start, glue))
        return len(self.paths) - 1


def _with_insertions(row: np.ndarray) -> np.ndarray:
    """Returns keys that may also be reached from an earlier place, each sign between being one edit."""
    steps = np.arange(len(row), dtype=np.int64) * (EDIT + SIGN)
    return np.minimum.accumulate(row - steps) + steps


def _starts(line: str) -> list[int]:
    """Returns the places at which a word or a sign begins."""
    return [at for at in range(len(line)) if line[at] != " " and not _is_inside_word(line, at)]


def _ends(line: str) -> list[int]:
    """Returns the places at which a word or a sign ends."""
    return [at for at in range(1, len(line) + 1) if line[at - 1] != " " and not _is_inside_word(line, at)]


def _is_inside_word(line: str, at: int) -> bool:
    return 0 < at < len(line) and is_letter(line[at - 1]) and is_letter(line[at])
