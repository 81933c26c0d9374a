import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.parsing.final_score import read_named, read_official_final, read_strict_final
from benchmarks.parsing.reading import State

NAMES = ("instruction_score", "knowledge_score")


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("Final Score: 4", 4, 4),
        ("**Final Score**: **4**", 4, 4),
        ("**Final Score:** 4/5", 4, 4),
        ("final scores: 3.", 3, 3),
        ("Final Score: 9", 9, None),  # officially there is no range
        ("Final Score: 4.5", 4, None),  # officially cut at the point
        ("Final Score: four", None, None),
        ("The score is 4", None, None),
        ("Final Score: 2\nOn reflection, Final Score: 3", 2, None),
        ("Final Score: 3\nFinal Score: 3", 3, 3),
        ("Final Scores: 3, 4", None, None),
        ("Final Score: -1", None, None),
        ("Final Score：5", None, 5),
        ("", None, None),
    ],
)
def test_a_final_score_is_read_as_risebench_does_and_as_it_should_be(reply, official, strict):
    for reading, expected in (
        (read_official_final(reply), official),
        (read_strict_final(reply, 0, 5), strict),
    ):
        if expected is None:
            assert reading.state is State.PARSE_FAILED
            assert reading.note
        else:
            assert reading.scores == (float(expected),)


def test_a_refusal_is_a_state_in_every_reading():
    reply = "I'm sorry, but I can't assist with that."
    for reading in (
        read_official_final(reply),
        read_strict_final(reply, 0, 5),
        read_named(reply, NAMES, 1, 5),
    ):
        assert reading.state is State.REFUSED


@given(st.integers(0, 5), st.text(alphabet=st.characters(blacklist_characters="\n"), max_size=40))
def test_what_stands_around_a_final_score_does_not_matter(score, words):
    reply = f"{words}\nFinal Score: {score}"
    if "final score" not in words.lower():
        assert read_strict_final(reply, 0, 5).scores == (float(score),)


@given(st.text(max_size=300))
def test_no_text_crashes_a_reader_or_gets_a_score_outside_the_scale(reply):
    read_official_final(reply)
    for reading in (read_strict_final(reply, 0, 5), read_named(reply, NAMES, 0, 5)):
        assert all(0 <= score <= 5 for score in reading.scores)


def test_numbers_that_no_judge_means_are_no_scores():
    assert read_official_final("Final Score: " + "9" * 5000).state is State.PARSE_FAILED
    assert read_official_final("Final Score: " + "9" * 12).state is State.PARSE_FAILED
    assert "longer than" in read_official_final("x" * 200_000).note
    assert read_strict_final("x" * 200_000 + "Final Score: 4", 0, 5).state is State.PARSE_FAILED


@pytest.mark.timeout(20)  # quadratic time would be minutes
@pytest.mark.parametrize("filler", ["Final Score", "Final Score:*", "*", " ", "9 ", "{", '{"a":'])
def test_time_grows_with_the_length_and_not_with_its_square(filler):
    reply = filler * (90_000 // len(filler))
    read_official_final(reply)
    read_strict_final(reply, 0, 5)
    read_named(reply, NAMES, 0, 5)


def test_named_scores_come_from_the_one_object_that_has_them_all():
    good = json.dumps({"instruction_score": 4, "knowledge_score": 5.0, "why": "so"})
    assert read_named(f"Sure.\n```json\n{good}\n```\n{{}}", NAMES, 1, 5).scores == (4.0, 5.0)
    assert read_named(good + good, NAMES, 1, 5).note == "2 objects with instruction_score, knowledge_score"
    assert read_named('{"instruction_score": 4}', NAMES, 1, 5).note.startswith("no objects with")


@pytest.mark.parametrize("value", [0, 6, 4.5, "4", True, None, [4], float("nan"), float("inf")])
def test_a_named_score_is_a_whole_number_of_the_scale(value):
    found = read_named(json.dumps({"instruction_score": value, "knowledge_score": 3}), NAMES, 1, 5)
    assert found.state is State.PARSE_FAILED
    assert "is not a whole number from 1 to 5" in found.note
