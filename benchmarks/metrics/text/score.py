"""The OCR metric of text edits (report 4.2, Table 7): how right is a text that was to be written?

The report names Levenshtein distance, completion rate and word accuracy, weighted and normalised; no code and
no weights are published. Definitions and weights here are ours, and every report says so.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rapidfuzz.distance import LCSseq, Levenshtein

from benchmarks.metrics.text.normal import folded, normal, words
from benchmarks.metrics.text.window import Window, best_window, without

BY_CHANCE = 0.5
"""Score up to which a text counts as gone: any page holds half of the signs of a short text by chance."""

CASE_WEIGHT = 0.05
"""Share of a score that is lost where every letter is in the wrong case; capitals are often a choice of the
typeface, and recognizers confuse the two forms of o, s, v, w, x and z."""

LONGEST_GROUP = 8
"""Words that may be run together in a page and still count as right."""


@dataclass(frozen=True)
class TextWeights:
    """How much each part counts; they add up to 1. Ours, since the report gives none.

    Attributes:
        levenshtein: of 1 - edits / length of the longer text.
        completion: of the share of the target's signs that are there in order.
        words: of the share of the target's words that are right as a whole and in order; where spaces stand
            does not matter here, since recognizers miss narrow ones.
    """

    levenshtein: float = 0.4
    completion: float = 0.3
    words: float = 0.3

    def __post_init__(self) -> None:
        parts = (self.levenshtein, self.completion, self.words)
        if not (all(part >= 0 for part in parts) and abs(sum(parts) - 1) <= 1e-9):
            raise ValueError(f"Weights must be at least 0 and add up to 1, found {parts}.")


@dataclass(frozen=True)
class TextScore:
    """What came of one or several texts, all parts from 0 to 1.

    Attributes:
        score: the weighted mean of the first three parts, less what wrong case costs.
        levenshtein: see `TextWeights`.
        completion: see `TextWeights`.
        words: see `TextWeights`.
        case: the share of the target's signs that were found which are in the right case. It takes at most
            `CASE_WEIGHT` off the score; the other parts ignore case.
        found: what was read for each text, empty where nothing was.
        weights: that made the score.
    """

    score: float
    levenshtein: float
    completion: float
    words: float
    case: float
    found: tuple[str, ...]
    weights: TextWeights

    def record(self) -> dict[str, object]:
        """Returns the score as JSON values."""
        return {**asdict(self), "found": list(self.found)}


DEFAULT_WEIGHTS = TextWeights()


def score_text(
    predicted_lines: Sequence[str], target: str | Sequence[str], weights: TextWeights = DEFAULT_WEIGHTS
) -> TextScore:
    """Returns how well a text can be read in a page.

    Each text is held against the best window of the page, so that other text there does not count; several
    texts take windows of their own, the longest first, and count by their length.

    Args:
        predicted_lines: what was read, in reading order; may be empty.
        target: the text, or several that must all be there.
        weights: of the parts.

    Raises:
        ValueError: there is no text to look for.
    """
    targets = [normal(text) for text in ([target] if isinstance(target, str) else target)]
    if not targets or not all(targets):
        raise ValueError(f"A target must have a sign that can be seen, found {target!r:.80}.")
    lines = [line for line in map(normal, predicted_lines) if line]
    found: dict[int, Window] = {}
    for place in sorted(range(len(targets)), key=lambda place: -len(targets[place])):
        found[place] = best_window(lines, targets[place])
        lines = without(lines, found[place])
    texts = [found[place].text for place in range(len(targets))]
    parts = [_parts(text, wanted) for text, wanted in zip(texts, targets, strict=True)]
    total = sum(map(len, targets))
    levenshtein, completion, right, case = (
        sum(part[kind] * len(wanted) for part, wanted in zip(parts, targets, strict=True)) / total
        for kind in range(4)
    )
    score = weights.levenshtein * levenshtein + weights.completion * completion + weights.words * right
    score = min(1.0, score) * (1 - CASE_WEIGHT * (1 - case))
    return TextScore(score, levenshtein, completion, right, case, tuple(texts), weights)


def residual(
    predicted_lines: Sequence[str], old: str | Sequence[str], weights: TextWeights = DEFAULT_WEIGHTS
) -> float:
    """Returns how much of a text is still there, 0 to 1; a likeness that chance gives counts as nothing.

    Of several texts it is the mean by length, so that half of them is half of the whole.

    Args:
        predicted_lines: what was read.
        old: the text, or several, that should be gone.
        weights: of the parts.
    """
    texts = [old] if isinstance(old, str) else old
    windows = zip(score_text(predicted_lines, texts, weights).found, texts, strict=True)
    left = [max(0.0, score_text([window], text, weights).score - BY_CHANCE) for window, text in windows]
    lengths = [len(normal(text)) for text in texts]
    return sum(map(operator.mul, left, lengths)) / sum(lengths) / (1 - BY_CHANCE)


def _parts(text: str, target: str) -> tuple[float, float, float, float]:
    small, small_target = folded(text), folded(target)
    wanted, shared = words(small_target), LCSseq.similarity(small, small_target)
    return (
        1 - Levenshtein.distance(small, small_target) / max(len(text), len(target)),
        shared / len(target),
        _right_words(wanted, words(small)) / len(wanted),
        LCSseq.similarity(text, target) / shared if shared else 1.0,
    )


def _right_words(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Returns the most words that can be matched in order; words run together or apart match as well."""
    best = [[0] * (len(found) + 1) for _ in range(len(wanted) + 1)]
    for here in reversed(range(len(wanted))):
        for there in reversed(range(len(found))):
            matched = [
                count + best[here + count][there + width]
                for count, width in _equal_groups(wanted[here:], found[there:])
            ]
            best[here][there] = max(best[here + 1][there], best[here][there + 1], *matched, 0)
    return best[0][0]


def _equal_groups(wanted: Sequence[str], found: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yields how many words of each side, one of them a single word, are equal when run together."""
    for count in range(1, min(len(wanted), LONGEST_GROUP) + 1):
        if "".join(wanted[:count]) == found[0]:
            yield count, 1
    for width in range(2, min(len(found), LONGEST_GROUP) + 1):
        if "".join(found[:width]) == wanted[0]:
            yield 1, width
