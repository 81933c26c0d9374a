"""Where the texts of an edit stand: the old ones in its source, the new ones in an output."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.metrics.text.normal import normal
from benchmarks.metrics.text.targets import TextTarget
from benchmarks.metrics.text.window import best_window

Box = Sequence[Sequence[float]]
"""Corners of a line of text, (4, 2) pixels."""


class TextPlaces(NamedTuple):
    """Where an edit of text belongs, as far as OCR finds it.

    Attributes:
        source: lines with texts that are to change, in pixels of the source.
        outputs: lines with the texts that the edit writes, in pixels of each model's output.
    """

    source: Sequence[Box]
    outputs: Mapping[str, Sequence[Box]]


def changed_texts(target: TextTarget) -> Sequence[str]:
    """Returns the texts of the source that an edit removes, replaces or draws anew."""
    return {"replace": target.old, "delete": target.old, "style": target.keep}.get(target.op, ())


def written_texts(target: TextTarget) -> Sequence[str]:
    """Returns the texts that an edit writes somewhere."""
    return {"add": target.new, "replace": target.new, "style": target.keep}.get(target.op, ())


def boxes_of(lines: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[Box]:
    """Returns the corners of the lines that some texts stand in, those of other lines left out.

    Args:
        lines: `text` and `corners` of what was read.
        texts: to look for.
    """
    said = [(text, line["corners"]) for line in lines if (text := normal(line["text"]))]
    pages = [text for text, _ in said]
    windows = [best_window(pages, wanted) for text in texts if (wanted := normal(text))]
    found = sorted({piece.line for window in windows for piece in window.pieces})
    return [said[number][1] for number in found]
