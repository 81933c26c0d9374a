"""Replies to KRIS-Bench's questions as its own scripts read them, except for what they guess."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from benchmarks.parsing.reading import Reading, State, failed
from benchmarks.parsing.refusals import is_refusal

MAX_LENGTH = 100_000
SANE = 10**9

UNREAD = math.nan
"""Stands for a score that is missing, in a reply that holds another one."""

OBJECT = re.compile(r"\{[^{}]*\}")
SHARES = (
    re.compile(r"([1-5])\s*+/\s*+5"),
    re.compile(r"([1-5])\s++out\s++of\s++5", re.IGNORECASE),
)


def read_official_kris(reply: str, labels: Sequence[str]) -> Reading:
    """Returns the scores under some labels, `UNREAD` for one that is missing beside another.

    A single score is looked for as `<label>_score` in an object, after the label in the text, and as a share
    of 5; two scores in one object or after their labels. Text and fractions become whole numbers and no range
    is looked at in an object, as there. The scripts end with the first digit from 1 to 5 anywhere in a reply
    that they can't read; that is a guess, so here there is no score.

    Args:
        reply: of the judge.
        labels: such as `consistency`, one or two.

    Source: mercurystraw/Kris_Bench, metrics_common.py and metrics_knowledge.py.
    """
    if len(reply) > MAX_LENGTH:
        return failed(f"longer than {MAX_LENGTH} characters")
    scores = _of_object(reply, labels)
    if scores is None:
        scores = [_labelled(reply, label, alone=len(labels) == 1) for label in labels]
    if len(labels) == 1 and scores == [None]:
        scores = [_first(reply, SHARES)]
    if all(score is None for score in scores):
        return Reading(State.REFUSED) if is_refusal(reply) else failed("no score that can be read")
    found = tuple(UNREAD if score is None else float(score) for score in scores)
    missing = [label for label, score in zip(labels, scores, strict=True) if score is None]
    return Reading(State.OK, found, f"no score for {', '.join(missing)}" if missing else "")


def _of_object(reply: str, labels: Sequence[str]) -> list[int | None] | None:
    """Returns the scores of the first object that names the first label; None where it does not help."""
    text = next((one for one in OBJECT.findall(reply) if f"{labels[0]}_score" in one), None)
    if text is None:
        return None
    try:
        found: dict[str, Any] = json.loads(text)
        values = [found.get(f"{label}_score") for label in labels]
        scores = [None if value is None else int(value) for value in values]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if any(score is not None and abs(score) > SANE for score in scores):
        return None
    return None if len(labels) == 1 and scores == [None] else scores


def _labelled(reply: str, label: str, *, alone: bool) -> int | None:
    # Possessive quantifiers, so that no reply makes the search take more than linear time.
    colon = r"(?:[:：]\s*+)?+" if alone else r"[:：]\s*+"
    pattern = re.compile(rf"{label}[_\s]*+score\s*+{colon}([1-5])", re.IGNORECASE)
    return _first(reply, [pattern])


def _first(reply: str, patterns: Sequence[re.Pattern[str]]) -> int | None:
    found = (match for pattern in patterns if (match := pattern.search(reply)))
    match = next(found, None)
    return None if match is None else int(match[1])
