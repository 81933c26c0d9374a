import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.parsing.reading import Reading, State
from benchmarks.parsing.viescore import (
    official_outcome,
    overall,
    read_official_viescore,
    read_strict_viescore,
)

scores_0_to_10 = st.lists(st.integers(0, 10), min_size=2, max_size=2)
prose = st.text(alphabet=st.characters(blacklist_characters="{}", blacklist_categories=("Cs",)), max_size=60)


def reply_with(scores) -> str:
    return json.dumps({"score": scores, "reasoning": "The edges are soft."})


@given(scores_0_to_10, prose, prose)
def test_strict_finds_the_one_object_in_any_prose(scores, before, after):
    assert read_strict_viescore(before + reply_with(scores) + after) == Reading(
        State.OK, tuple(map(float, scores))
    )


@given(scores_0_to_10)
def test_official_and_strict_agree_on_what_was_asked_for(scores):
    assert read_official_viescore(reply_with(scores), 1) == read_strict_viescore(reply_with(scores))


@given(st.text(max_size=200), st.integers(1, 3))
def test_no_text_crashes_a_parser_or_gets_a_score_outside_the_scale(reply, attempt):
    read_official_viescore(reply, attempt)
    assert all(0 <= score <= 10 for score in read_strict_viescore(reply).scores)


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        ('{"score": [8, 9]} or rather {"score": [3, 4]}', "several objects"),
        ('{"score": [8, 9], "score": [3, 4]}', "no JSON object"),
        ('{"result": {"score": [8, 9]}}', "no JSON object"),
        ('{"score": [true, 9]}', "True is not a whole number"),
        ('{"score": [NaN, 9]}', "nan is not a whole number"),
        ('{"score": [Infinity, 9]}', "is not"),
        ('{"score": [8, 10.5]}', "10.5 is not a whole number"),
        ('{"score": [8, 11]}', "11 is not from 0 to 10"),
        ('{"score": {"a": 8, "b": 9}}', "expected a list of 2 scores"),
        ("{" * 5000, "no JSON object"),
        ('{"score":' * 5000, "no JSON object"),
        (" " * 30_000 + '{"score": [8, 9]}', "no JSON object"),
    ],
)
def test_strict_says_why_there_are_no_scores(reply, note):
    found = read_strict_viescore(reply)
    assert found.state is State.PARSE_FAILED
    assert note in found.note


def test_whole_numbers_may_be_written_with_a_point():
    assert read_strict_viescore('{"score": [8.0, 9]}').scores == (8.0, 9.0)


def test_a_guess_of_the_official_script_is_a_state_and_never_a_number():
    assert official_outcome("[6, 0]", 1).scores == (6, 0)
    assert official_outcome("[6, 0]", 2).kind == "random"
    assert read_official_viescore("[6, 0]", 2).state is State.PARSE_FAILED
    assert read_official_viescore("I cannot assist with that.", 2).state is State.REFUSED


def test_official_repair_quotes_keys_and_values_and_wraps_a_bare_number():
    assert official_outcome("{score: 8, reasoning: good}", 1).scores == (8,)
    assert official_outcome("{score: -7.5, reasoning: x}", 1).scores == (-7.5,)
    assert official_outcome("{score: 8, reasoning: see http://a.b}", 1).kind == "fail"


def test_official_accepts_what_no_scale_has_and_stops_where_the_script_would():
    assert read_official_viescore('{"score": [12, -1]}', 1).scores == (12.0, -1.0)
    assert read_official_viescore('{"score": ["8", "9"]}', 1).state is State.PARSE_FAILED
    assert read_official_viescore('{"score": []}', 1).state is State.PARSE_FAILED
    assert read_official_viescore('{"score": [1e999, 2]}', 1).state is State.PARSE_FAILED
    assert read_official_viescore("rate_limit_exceeded", 1).state is State.API_FAILED


def test_a_reply_that_apologises_and_judges_is_a_judgement():
    reply = "I'm sorry, I can't rate this kindly. " + reply_with([1, 2])
    assert read_strict_viescore(reply).scores == (1.0, 2.0)


@given(scores_0_to_10, scores_0_to_10)
def test_overall_is_the_root_of_the_least_scores(sc, pq):
    found = overall(Reading(State.OK, tuple(map(float, sc))), Reading(State.OK, tuple(map(float, pq))))
    assert found is not None
    assert found[:2] == (min(sc), min(pq))
    assert found[2] == pytest.approx(
        math.exp(0.5 * math.log(min(sc) * min(pq))) if min(sc) * min(pq) else 0.0
    )


def test_overall_needs_both_and_no_negative_product():
    ok = Reading(State.OK, (4.0, 9.0))
    assert overall(ok, Reading(State.REFUSED)) is None
    assert overall(Reading(State.PARSE_FAILED), ok) is None
    assert overall(ok, Reading(State.OK, (12.0, -1.0))) is None
