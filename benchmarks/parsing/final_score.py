"""Replies that end in `Final Score: 4`, as RISEBench asks for, and JSON objects with a named score."""

import json
import re
from collections.abc import Sequence
from typing import Any

from benchmarks.parsing.reading import Reading, State, failed
from benchmarks.parsing.refusals import is_refusal

MAX_LENGTH = 100_000

OFFICIAL = tuple(
    re.compile(rf"\*?\*?{name}\*?\*?:?\s*([\d*\s,\n]*)", re.IGNORECASE)
    for name in ("Final Score", "Final Scores")
)
"""RISEBench, gpt_eval.py, `extract`: the singular first, then the plural."""

STRICT = re.compile(r"\bFinal Scores?\s*\**\s*[:：]\s*\**\s*(?P<scores>[^\n]{0,80})", re.IGNORECASE)


def official_final_scores(reply: str) -> list[int]:
    """Returns the whole numbers after the first `Final Score` that is followed by any, as RISEBench does."""
    for pattern in OFFICIAL:
        for match in pattern.finditer(reply):
            numbers = re.findall(r"\d+", match.group(1))
            if numbers:
                return [int(number) for number in numbers]
    return []


def read_official_final(reply: str) -> Reading:
    """Returns what RISEBench takes for the score of a question; a refusal is a state."""
    if len(reply) > MAX_LENGTH:
        return failed(f"longer than {MAX_LENGTH} characters")
    try:
        scores = official_final_scores(reply)
    except ValueError:
        return failed("a number that no judge means")
    if len(scores) == 1 and scores[0] < 10**9:
        return Reading(State.OK, (float(scores[0]),))
    if not scores:
        return Reading(State.REFUSED) if is_refusal(reply) else failed("no final score")
    return failed(f"the official script cannot place {len(scores)} final scores")


def read_strict_final(reply: str, lowest: int, highest: int) -> Reading:
    """Returns the one final score of a reply, a whole number in a range, stated once or always the same."""
    found = {match["scores"].strip(" *.\t") for match in STRICT.finditer(reply[:MAX_LENGTH])}
    if len(found) != 1:
        if is_refusal(reply):
            return Reading(State.REFUSED)
        return failed("several final scores" if found else "no final score")
    value = found.pop().removesuffix(f"/{highest}").strip()
    if not value.isascii() or not value.isdigit() or len(value) > 2 or not lowest <= int(value) <= highest:
        return failed(f"{value[:20]!r} is not a whole number from {lowest} to {highest}")
    return Reading(State.OK, (float(value),))


def read_named(reply: str, names: Sequence[str], lowest: int, highest: int) -> Reading:
    """Returns the scores under some names of the one JSON object in a reply that holds them all.

    Prose and code fences around the object don't matter. Fractions, text, numbers out of range and broken
    JSON are no scores.
    """
    found = [value for value in _objects(reply) if all(name in value for name in names)]
    if len(found) != 1:
        if is_refusal(reply):
            return Reading(State.REFUSED)
        return failed(f"{len(found) or 'no'} objects with {', '.join(names)}")
    scores = [found[0][name] for name in names]
    for score in scores:
        whole = isinstance(score, int | float) and not isinstance(score, bool) and score == score // 1
        if not whole or not lowest <= score <= highest:
            return failed(f"{score!r:.40} is not a whole number from {lowest} to {highest}")
    return Reading(State.OK, tuple(float(score) for score in scores))


def _objects(reply: str) -> list[dict[str, Any]]:
    decoder = json.JSONDecoder()
    found = []
    position = reply.find("{") if len(reply) <= MAX_LENGTH else -1
    while position >= 0:
        try:
            value, end = decoder.raw_decode(reply, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            found.append(value)
        position = reply.find("{", end)
    return found
