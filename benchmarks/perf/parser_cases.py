"""Replies with known official results, and what `strict` says of each and why."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.parsing import lines, viescore
from benchmarks.parsing.reading import Reading, State

LABELS = ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence")
"""Of the task that the cases in the line format belong to."""

Verdict = tuple[tuple[float, ...] | State, str]
"""The scores, or the state without scores; and the reason."""

FAILED, REFUSED = State.PARSE_FAILED, State.REFUSED

JSON_VERDICTS: dict[str, Verdict] = {
    "ok": ((8, 9), "as asked for"),
    "fence": ((8, 9), "the object is whole, the fence is decoration"),
    "delimited": ((8, 9), "as VIEScore's first prompt asked for"),
    "empty": (FAILED, "nothing was said; the official retry draws a number"),
    "refusal": (REFUSED, "the official retry draws a number"),
    "list": (FAILED, "scores without their key could be anything"),
    "list3": (FAILED, "scores without their key, and one too many"),
    "int": (FAILED, "one number for two dimensions"),
    "float": (FAILED, "the scale has whole numbers"),
    "str": (FAILED, "text; the official script accepts it and then cannot compute with it"),
    "scalar": (FAILED, "one score for two dimensions"),
    "trailing comma": (FAILED, "not JSON; the official script asks again without end"),
    "unquoted": (FAILED, "not JSON; the official script asks again without end"),
    "quote in reason": (FAILED, "not JSON; where the object ends is a guess"),
    "out of range": (FAILED, "12 and -1 are not on the scale; officially they count, or crash the root"),
    "no score key": (FAILED, "no scores"),
    "braces in prose": ((8, 9), "one object with scores; officially the first brace spoils it for ever"),
    "one sub-score": (FAILED, "one score for two dimensions"),
    "empty list": (FAILED, "no scores; officially min() of nothing stops the run"),
}

LINE_VERDICTS: dict[str, Verdict] = {
    "plain": ((5, 4, 4), "as asked for"),
    "bold label and colon": ((5, 4, 4), "Markdown is decoration; officially the sample is lost"),
    "bold label": ((5, 4, 4), "Markdown is decoration"),
    "bullets": ((5, 4, 4), "bullets are decoration"),
    "n/5": ((5, 4, 4), "the denominator is the scale's; officially two of three scores are lost"),
    "decimal": (FAILED, "the scale has whole numbers; officially the other two are averaged"),
    "full stop": ((5, 4, 4), "a full stop is decoration; officially the first score is lost"),
    "full-width colon": ((5, 4, 4), "a colon of another script; officially the sample is lost"),
    "no space": ((5, 4, 4), "the space carries nothing; officially the sample is lost"),
    "out of range": (FAILED, "10 and 0 are not on the scale; officially they count"),
    "digit reasoning": ((5, 5, 5), "the line of reasoning has no dimension; officially its number counts"),
    "cap violated": ((1, 1, 1), "the prompt forbids more than the first score; officially nothing is capped"),
    "extra line": ((1, 1, 1), "Overall is no dimension; officially it counts"),
    "one line": ((5, 4, 4), "each label with its score; officially the sample is lost"),
    "table": (FAILED, "the third dimension is missing"),
    "trailing spaces": ((4, 4, 4), "as asked for"),
    "missing dim": (FAILED, "the third dimension is missing; officially two are averaged"),
    "crlf": ((5, 4, 4), "line ends carry nothing"),
    "error text": (FAILED, "an error message judges nothing"),
    "refusal": (REFUSED, "nothing was judged"),
}


class CaseResult(NamedTuple):
    """One case: whether the official result was reproduced, and whether the strict verdict holds.

    `written` tells whether there is a verdict for the case at all.
    """

    format: str
    name: str
    official: bool
    strict: bool
    written: bool
    reading: Reading
    reason: str


def check_cases(cases: Mapping[str, Any]) -> list[CaseResult]:
    """Returns the result of each case of `parser_cases.json`."""
    results = []
    for case in cases["viescore_gedit"]:
        tries = [_shown(viescore.official_outcome(case["reply"], attempt)) for attempt in (1, 2)]
        official = tries == [case["official_first_try"], case["official_second_try"]]
        reading = viescore.read_strict_viescore(case["reply"])
        results.append(_result("JSON", case["name"], official, reading, JSON_VERDICTS))
    for case in cases["imgedit_rededit_line_parser"]:
        scores = lines.official_scores(case["reply"])
        sample = round(sum(scores) / len(scores), 2) if scores else None
        official = (scores, sample) == (case["official_scores"], case["official_sample_score"])
        reading = lines.read_strict_lines(case["reply"], LABELS)
        results.append(_result("lines", case["name"], official, reading, LINE_VERDICTS))
    return results


def _result(
    kind: str, name: str, official: bool, reading: Reading, verdicts: Mapping[str, Verdict]
) -> CaseResult:
    found = reading.scores if reading.state is State.OK else reading.state
    if name not in verdicts:
        told = f"no verdict is written for this case; {reading.note or 'scores under their labels'}"
        return CaseResult(kind, name, official, False, False, reading, told)
    expected, reason = verdicts[name]
    return CaseResult(kind, name, official, found == expected, True, reading, reason)


def _shown(outcome: viescore.OfficialOutcome) -> Any:
    return list(outcome.scores) if outcome.kind == "scores" else outcome.kind.upper()
