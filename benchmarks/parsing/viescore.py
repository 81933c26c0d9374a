"""Replies in VIEScore's format, a JSON object with a list of scores from 0 to 10, as GEdit-Bench uses it.

The official parser is TIGER-AI-Lab/VIEScore, viescore/utils.py (MIT), read and written anew.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.parsing.reading import Reading, State, failed
from benchmarks.parsing.refusals import is_refusal

DELIMITER = "||V^=^V||"
RATE_LIMITED = "rate_limit_exceeded"
SUBSCORES = 2
LOWEST, HIGHEST = 0, 10

SANE = 1e9
"""JSON numbers beyond it, infinity among them, overflow somewhere later in the official script."""

MAX_LENGTH = 20_000
"""Longer than any reply of 1,400 tokens; the official repair takes time that grows with the square of it."""


@dataclass(frozen=True)
class OfficialOutcome:
    """What the official parser does with a reply.

    Attributes:
        kind: `scores`; `fail`, and both prompts are sent again; `random`, a number drawn from 0 to 10.
        scores: as they come, so strings, floats and numbers out of range among them.
    """

    kind: Literal["scores", "fail", "random"]
    scores: tuple[Any, ...] = ()


def official_outcome(reply: str, attempt: int) -> OfficialOutcome:
    """Returns what the official parser does with a reply of the first (1) or a later attempt.

    It looks between two delimiters, else from the first to the last brace, else for a bare list or number,
    and from the second attempt on it draws a number wherever there is no brace.
    """
    if reply.count(DELIMITER) == 2:
        text = reply.split(DELIMITER)[1]
        return _official_json(text) if text else OfficialOutcome("fail")
    start, end = reply.find("{"), reply.rfind("}") + 1
    if start >= 0 and end > 0:
        return _official_json(reply[start:end]) if start != end else OfficialOutcome("fail")
    return OfficialOutcome("random") if attempt > 1 else _official_bare(reply)


def read_official_viescore(reply: str, attempt: int) -> Reading:
    """Returns what the official script scores, except that what it guesses is a state here, never a number.

    Where the official script would crash or ask for ever (text instead of numbers, an empty list), there are
    no scores either. Scores outside 0 to 10 pass, as they do there.
    """
    if reply == RATE_LIMITED:
        return Reading(State.API_FAILED, note="the judge's rate limit")
    outcome = official_outcome(reply, attempt)
    if outcome.kind != "scores":
        note = (
            "the official script draws a random score here" if outcome.kind == "random" else "no scores found"
        )
        return Reading(State.REFUSED, note=note) if is_refusal(reply) else failed(note)
    if not outcome.scores:
        return failed("an empty list of scores stops the official script")
    if not all(isinstance(score, int | float) and abs(score) < SANE for score in outcome.scores):
        return failed(f"the official script cannot compute with {outcome.scores!r:.80}")
    return Reading(State.OK, tuple(float(score) for score in outcome.scores))


def read_strict_viescore(reply: str) -> Reading:
    """Returns the two scores of a reply that holds exactly one JSON object with them, whole and from 0 to 10.

    Prose, code fences and delimiters around the object don't matter. Lists without an object, single scores,
    numbers as text, fractions and broken JSON are no scores.
    """
    found = _objects_with_scores(reply) if len(reply) <= MAX_LENGTH else []
    if len(found) == 1:
        return _checked(found[0])
    if is_refusal(reply):
        return Reading(State.REFUSED)
    return failed("several objects with scores" if found else "no JSON object with a score")


def overall(sc: Reading, pq: Reading) -> tuple[float, float, float] | None:
    """Returns SC, PQ and O of a sample: the least sub-score of each, and the root of their product.

    None where one of the two has no scores, or where the product is negative, which only official readings
    with scores out of range can be. Source: VIEScore, arXiv 2312.14867, equation 1.
    """
    if sc.state is not State.OK or pq.state is not State.OK:
        return None
    lowest_sc, lowest_pq = min(sc.scores), min(pq.scores)
    product = lowest_sc * lowest_pq
    return (lowest_sc, lowest_pq, math.sqrt(product)) if product >= 0 else None


def _official_json(text: str) -> OfficialOutcome:
    flat = text.strip().replace("\n", "")
    try:
        scores = json.loads(flat)["score"]
        return OfficialOutcome("scores", tuple(scores) if isinstance(scores, list) else (scores,))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return _official_repair(flat)


def _official_repair(flat: str) -> OfficialOutcome:
    # Quotes what looks like a key and what looks like a value, and puts a bare number into a list.
    if len(flat) > MAX_LENGTH:
        return OfficialOutcome("fail")
    keyed = re.sub(r"(\w+):", r'"\1":', flat)
    mended = re.sub(r'(".*?"):(.*?)(,|})', _repaired_value, keyed)
    try:
        scores = json.loads(mended)["score"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return OfficialOutcome("fail")
    return OfficialOutcome("scores", tuple(scores)) if isinstance(scores, list) else OfficialOutcome("fail")


def _repaired_value(match: re.Match[str]) -> str:
    key, value, end = match.group(1), match.group(2).strip(), match.group(3)
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        value = f"[{value}]"
    elif value.lower() not in ("true", "false", "null"):
        value = f'"{value}"'
    return f"{key}: {value}{end}"


def _official_bare(reply: str) -> OfficialOutcome:
    start, end = reply.find("["), reply.rfind("]") + 1
    if re.fullmatch(r"\[\d+, ?\d+\]", reply[start:end]):
        try:
            return OfficialOutcome("scores", tuple(json.loads(reply[start:end])))
        except ValueError:  # more digits than Python converts
            return OfficialOutcome("fail")
    try:
        number = int(reply)
    except ValueError:
        return OfficialOutcome("fail")
    return OfficialOutcome("scores", (number,)) if LOWEST <= number <= HIGHEST else OfficialOutcome("fail")


def _objects_with_scores(reply: str) -> list[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unambiguous)
    found = []
    position = reply.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(reply, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            if "score" in value:
                found.append(value["score"])
        position = reply.find("{", end)
    return found


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _checked(scores: Any) -> Reading:
    if not isinstance(scores, list) or len(scores) != SUBSCORES:
        return failed(f"expected a list of {SUBSCORES} scores, found {scores!r:.80}")
    for score in scores:
        if isinstance(score, bool) or not isinstance(score, int | float) or score != score // 1:
            return failed(f"{score!r:.40} is not a whole number")
        if not LOWEST <= score <= HIGHEST:
            return failed(f"{score!r:.40} is not from {LOWEST} to {HIGHEST}")
    return Reading(State.OK, tuple(float(score) for score in scores))
