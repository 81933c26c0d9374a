"""Scores of an edit of text against its source: the unedited source has 0, what was asked for has 1.

Where what OCR reads cannot tell the one from the other, there is no score but a reason.
"""

from collections.abc import Sequence

from benchmarks.metrics.text.layout import LayoutChange, has_changed, layout_change
from benchmarks.metrics.text.normal import normal
from benchmarks.metrics.text.page import Page
from benchmarks.metrics.text.score import BY_CHANCE, TextWeights, residual, score_text
from benchmarks.metrics.text.targets import TextTarget
from benchmarks.metrics.text.window import Piece, best_window, without
from benchmarks.parsing.reading import Reading, State

READABLE = 0.9
"""Score from which a text counts as being there."""

LEAST_ROOM = 0.02
"""Smallest difference between the score of the source and 1 that OCR can be trusted with."""

MOST_PLACES = 8
"""Places of one text that are counted."""


def edit_score(
    target: TextTarget, instruction: str, source: Page, output: Page, weights: TextWeights
) -> float | Reading:
    """Returns how far an output has come from its source to what was asked for, 0 to 1.

    Args:
        target: what was asked for.
        instruction: of the item; says which change of layout an edit of style asks for.
        source: what is read in the unedited image.
        output: what is read in the output.
        weights: of the parts of a score.

    Returns:
        A reading in the state `unmeasured`, whatever the output is, where OCR cannot decide.
    """
    if target.op == "delete":
        return gone_score(target, source.lines, output.lines, weights)
    if target.op == "style":
        return _layout_score(target, layout_change(instruction), source, output, weights)
    before = score_text(source.lines, target.new, weights).score
    if score_text(_without_texts(source.lines, target.old), target.new, weights).score >= READABLE:
        return _unmeasured("the text that should be written can be read in the source already")
    if 1 - before < LEAST_ROOM:
        return _unmeasured("OCR can hardly tell the text of the source from the one that should be written")
    return max(0.0, (score_text(output.lines, target.new, weights).score - before) / (1 - before))


def gone_score(
    target: TextTarget, source: Sequence[str], output: Sequence[str], weights: TextWeights
) -> float | Reading:
    """Returns how much of the old text that is read in the source is gone in the output, 0 to 1.

    Of a text that stands in several places, one has to go.
    """
    places = [text for text in target.old for _ in range(_count(source, text, weights))]
    before = residual(_without_new(source, target, weights), places, weights)
    if before <= 0:
        return _unmeasured("the old text cannot be read in the source")
    after = residual(_without_new(output, target, weights), places, weights)
    return min(1.0, max(0.0, 1 - after / before) * len(places) / len(target.old))


def _layout_score(
    target: TextTarget, change: LayoutChange, source: Page, output: Page, weights: TextWeights
) -> float | Reading:
    """Returns how well the text that was moved or resized can still be read; 0 where it was not."""
    if change is LayoutChange.OTHER:
        return _unmeasured("OCR does not see colour, typeface, weight or rotation")
    text = target.keep[0]  # texts that are edited come before landmarks
    before, readable = source.extent(text), score_text(source.lines, text, weights).score
    if before is None or readable <= BY_CHANCE:
        return _unmeasured("the text cannot be read in the source")
    after = output.extent(text)
    if after is None or not has_changed(change, before, after):
        return 0.0
    return min(1.0, score_text(output.lines, text, weights).score / readable)


def _count(lines: Sequence[str], text: str, weights: TextWeights) -> int:
    """Returns in how many places a text is read, at least 1."""
    rest, count = _shown(lines), 0
    while count < MOST_PLACES and score_text(rest, text, weights).score >= READABLE:
        rest, count = without(rest, best_window(rest, normal(text))), count + 1
    return max(1, count)


def _without_texts(lines: Sequence[str], texts: Sequence[str]) -> list[str]:
    rest = _shown(lines)
    for text in texts:
        rest = without(rest, best_window(rest, normal(text)))
    return rest


def _without_new(lines: Sequence[str], target: TextTarget, weights: TextWeights) -> list[str]:
    """Returns lines less the new texts, which may be like an old one or contain it.

    What fits an old text at least as well is that old text: the window of "PLANE" in an unedited image is
    its "PLANET".
    """
    rest = _shown(lines)
    for new in target.new:
        window = best_window(rest, normal(new))
        rivals = [old for old in target.old if _overlap(window.pieces, best_window(rest, normal(old)).pieces)]
        if all(_fit(rest, new, weights) > _fit(rest, old, weights) for old in rivals):
            rest = without(rest, window)
    return rest


def _fit(lines: Sequence[str], text: str, weights: TextWeights) -> tuple[float, int]:
    """Returns how well a text can be read; of two that are read equally well, the longer one is there."""
    return round(score_text(lines, text, weights).score, 6), len(normal(text))


def _overlap(first: Sequence[Piece], second: Sequence[Piece]) -> bool:
    return any(
        one.line == other.line and one.start < other.end and other.start < one.end
        for one in first
        for other in second
    )


def _shown(lines: Sequence[str]) -> list[str]:
    return [line for line in map(normal, lines) if line]


def _unmeasured(note: str) -> Reading:
    return Reading(State.UNMEASURED, note=note)
