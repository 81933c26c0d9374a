"""Replies of one `Label: score` line for each dimension, from 1 to 5, as ImgEdit and REDEdit-Bench ask for.

Official parsers: ImgEdit, Benchmark/Basic/step1_get_avgscore.py; REDEdit-Bench, the same rule.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache

from benchmarks.parsing.reading import Reading, State, failed
from benchmarks.parsing.refusals import is_refusal

LOWEST, HIGHEST = 1, 5
MAX_LENGTH = 100_000
SANE = 10**9

NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
"""Full-width forms to ASCII. Compatibility normalisation would make a 2 of a superscript as well."""

EXAMPLE_LINE = re.compile(r"^(?P<label>[^\n:]+): A number from 1 to 5\.?\s*$", re.MULTILINE)
"""How the official prompts show the lines of a reply, after the line of reasoning."""


ANY_LINE = re.compile(
    r"""
    ^[^\n:=|]{1,80}+[:=][\ \t]*+[*_`"]*+[\ \t]*+
    (?P<value>[+-]?\d++(?:\.\d++)?+)
    (?:[\ \t]*+/[\ \t]*+(?P<of>\d++))?+
    [*_`".\u3002\ \t\r]*+$
    """,
    re.MULTILINE | re.VERBOSE,
)
"""A line that is a label and a number, and nothing else."""


def labels_of_prompt(prompt: str) -> tuple[str, ...]:
    """Returns the labels of the dimensions that a judge prompt asks for, from its example of a reply."""
    return tuple(match["label"].strip() for match in EXAMPLE_LINE.finditer(prompt))


def as_it_is(part: str) -> str:
    """Returns what ImgEdit's script looks at for digits: what follows the colon and space, whole."""
    return part


def official_scores(reply: str, cleaned: Callable[[str], str] = as_it_is) -> list[int]:
    """Returns every number that the official parser takes for a score, whatever stands before it.

    A line counts where one colon and space divides it into two parts and the second is all digits. Neither
    labels, nor the range, nor the number of lines are looked at.

    Args:
        reply: of the judge.
        cleaned: what happens to the second part first: `as_it_is` for ImgEdit, `str.strip` for REDEdit-Bench.

    Raises:
        ValueError: a character that Python calls a digit and can't convert, such as a superscript. The
            official script stops there.
    """
    parts = (line.strip().split(": ") for line in reply.splitlines())
    ends = (cleaned(two[1]) for two in parts if len(two) == 2)
    return [int(end) for end in ends if end.isdigit()]


def read_official_lines(reply: str, cleaned: Callable[[str], str] = as_it_is) -> Reading:
    """Returns what the official script averages, except that a refusal is a state here.

    A refusal is a reply that opens like one and holds at most one line that the script takes for a score.
    """
    try:
        scores = official_scores(reply, cleaned)
    except ValueError:
        return failed("the official script stops at this reply")
    if len(scores) < 2 and is_refusal(reply):
        return Reading(State.REFUSED)
    if not scores:
        return failed("no line that the official script accepts")
    if max(scores) > SANE:
        return failed("a number that no judge means")
    return Reading(State.OK, tuple(float(score) for score in scores))


def read_strict_lines(reply: str, labels: Sequence[str]) -> Reading:
    """Returns one whole score from 1 to 5 for each label, the later ones no higher than the first.

    The prompts demand that no score be higher than the first; where one is, it is lowered to it, and the note
    says so.

    Args:
        reply: of the judge.
        labels: from `labels_of_prompt`, the first being the one that caps the others.
    """
    found = read_labelled(reply, labels, LOWEST, HIGHEST)
    capped = tuple(min(score, found.scores[0]) for score in found.scores)
    if capped == found.scores:
        return found
    return Reading(State.OK, capped, f"lowered to the first score: {list(found.scores)}")


def read_labelled(reply: str, labels: Sequence[str], lowest: int, highest: int) -> Reading:
    """Returns one whole score for each label, in a range.

    Markdown, bullets, tables, full-width characters, `5/5` and a full stop don't matter; what matters is that
    each label stands at the start of its line or cell, once or always with the same score.

    Args:
        reply: of the judge.
        labels: of the lines that hold scores.
        lowest: of the scale, one digit.
        highest: of the scale; a score may be written as a share of it.
    """
    if len(reply) > MAX_LENGTH:
        return failed(f"longer than {MAX_LENGTH} characters")
    text = reply.translate(NARROW)
    scores = []
    for label in labels:
        values = {_value(match, highest) for match in _line(label).finditer(text)}
        if len(values) != 1:
            return _without(label, values, reply)
        value = values.pop()
        if len(value) > len(str(highest)) or not value.isdecimal() or not lowest <= int(value) <= highest:
            return failed(f"{label}: {value[:20]} is not a whole number from {lowest} to {highest}")
        scores.append(float(value))
    return Reading(State.OK, tuple(scores))


def read_single(reply: str) -> Reading:
    """Returns the one whole score from 1 to 5 of a reply, whatever its line calls it.

    ImgEdit's prompt for hard edits asks for one score and shows no line with it, so any label counts, as the
    official script has it; but a second line with a number, or a number off the scale, is no score.
    """
    if len(reply) > MAX_LENGTH:
        return failed(f"longer than {MAX_LENGTH} characters")
    found = list(ANY_LINE.finditer(reply.translate(NARROW)))
    if not found:
        return Reading(State.REFUSED) if is_refusal(reply) else failed("no line with a score")
    if len(found) > 1:
        return failed(f"{len(found)} lines with a number, where one score was asked for")
    value = _value(found[0], HIGHEST)
    if len(value) > 1 or not value.isdecimal() or not LOWEST <= int(value) <= HIGHEST:
        return failed(f"{value[:20]} is not a whole number from {LOWEST} to {HIGHEST}")
    return Reading(State.OK, (float(value),))


@cache
def _line(label: str) -> re.Pattern[str]:
    # Possessive quantifiers, so that no reply makes the search take more than linear time.
    words = r"\s++".join(re.escape(word) for word in label.split())
    return re.compile(
        rf"""
        (?:^|[,;|])[\ \t]*+
        (?:(?:[-*•>]|\#{{1,6}}|\d{{1,2}}[.)])[\ \t]++)*+
        [*_`"]*+{words}(?:[\ ]*+\([^)\n]{{0,60}}\))?+[*_`"]*+
        [\ \t]*+[:|=][\ \t]*+[*_`"]*+[\ \t]*+
        (?P<value>[+-]?\d++(?:\.\d++)?+)
        (?:[\ \t]*+/[\ \t]*+(?P<of>\d++))?+
        (?![\w%/~–-])
        """,
        re.IGNORECASE | re.MULTILINE | re.VERBOSE,
    )


def _value(match: re.Match[str], highest: int) -> str:
    out_of = match["of"]
    return match["value"] if out_of in (None, str(highest)) else f"{match['value']}/{out_of}"


def _without(label: str, values: set[str], reply: str) -> Reading:
    if is_refusal(reply):
        return Reading(State.REFUSED)
    if values:
        return failed(f"{label} has several scores: {', '.join(sorted(values))[:80]}")
    return failed(f"no score for {label}")
