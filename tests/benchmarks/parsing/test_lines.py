import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.parsing.lines import (
    labels_of_prompt,
    official_scores,
    read_official_lines,
    read_single,
    read_strict_lines,
)
from benchmarks.parsing.reading import State

LABELS = ("Motion Fidelity", "Identity Preservation", "Visual & Anatomical Coherence")
PROMPT = """You rate edits (1 to 5).

Motion Fidelity
1  Nothing moved.
The second and third score should no higher than first score!!!

Example Response Format:
Brief reasoning: A short explanation of the score, no more than 20 words.
Motion Fidelity: A number from 1 to 5.
Identity Preservation: A number from 1 to 5.
Visual & Anatomical Coherence: A number from 1 to 5.
editing instruction is : <edit_prompt>.
"""

scores_1_to_5 = st.lists(st.integers(1, 5), min_size=3, max_size=3)


def reply_with(scores, line="{label}: {score}") -> str:
    return "\n".join(
        line.format(label=label, score=score) for label, score in zip(LABELS, scores, strict=True)
    )


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("Brief reasoning: so, 3 of 4.\nScore: 4", (4.0,)), ("**Score**: **4/5**.", (4.0,)),
        ("评分：\uff15", (5.0,)), ("評分：4。", (4.0,)), ("Score: 4\nScore: 4", ()), ("Score: 0", ()),
        ("Score: -4", ()), ("4", ()), ("Score: " + "4" * 999, ()), ("Score: 4 of 5", ()), ("Score: ²", ()),
        ("a" * 100_001, ()),
    ],
)  # fmt: skip
def test_one_score_is_one_line_with_a_whole_number_on_the_scale(reply, scores):
    assert read_single(reply).scores == scores


def test_a_refusal_to_give_one_score_is_a_refusal():
    assert read_single("I'm sorry, but I can't assist with that.").state is State.REFUSED


def test_labels_come_from_the_example_of_the_prompt():
    assert labels_of_prompt(PROMPT) == LABELS


@given(scores_1_to_5)
def test_official_counts_every_line_that_ends_in_digits(scores):
    assert official_scores("Brief reasoning: 3\n" + reply_with(scores)) == [3, *scores]


@given(
    scores_1_to_5,
    st.sampled_from(
        [
            "{label}: {score}",
            "**{label}**: {score}",
            "**{label}:** {score}",
            "- {label}: {score}/5",
            "2. `{label}` : {score} / 5",
            "| {label} | {score} |",
            "### {label}： {score}。",
            "  {label} (strict) = **{score}**.",
            "{label}:{score}, next",
        ]
    ),
)
def test_strict_reads_through_decoration_and_caps_by_the_first_score(scores, line):
    found = read_strict_lines("Brief reasoning: 3 of 4 parts moved.\n" + reply_with(scores, line), LABELS)
    assert found.scores == tuple(float(min(score, scores[0])) for score in scores)
    assert bool(found.note) == (max(scores) > scores[0])


@pytest.mark.parametrize("value", ["0", "6", "10", "-3", "4.5", "4-5", "5/10", "5%", "five", "5e3", "²"])
def test_strict_takes_whole_scores_of_the_scale_only(value):
    found = read_strict_lines(reply_with([value, "1", "1"]), LABELS)
    assert (found.state, found.scores) == (State.PARSE_FAILED, ())


def test_strict_needs_every_label_and_no_other():
    assert (
        read_strict_lines(reply_with([2, 2, 2]).rsplit("\n", 1)[0], LABELS).note
        == f"no score for {LABELS[2]}"
    )
    assert read_strict_lines(reply_with([2, 2, 2]), ("Overall",)).note == "no score for Overall"
    assert read_strict_lines("Overall: 5\n" + reply_with([2, 2, 2]), LABELS).scores == (2.0, 2.0, 2.0)


def test_a_label_inside_another_or_inside_a_sentence_is_not_that_label():
    assert read_strict_lines("Text Visual Quality: 4", ("Visual Quality",)).state is State.PARSE_FAILED
    assert read_strict_lines("The Visual Quality: 4", ("Visual Quality",)).state is State.PARSE_FAILED


def test_the_same_score_twice_is_one_and_two_scores_are_none():
    assert read_strict_lines("Visual Quality: 4\nVisual Quality: 4/5", ("Visual Quality",)).scores == (4.0,)
    twice = read_strict_lines("Visual Quality: 4\nVisual Quality: 3", ("Visual Quality",))
    assert twice.note == "Visual Quality has several scores: 3, 4"


def test_a_refusal_is_a_state_in_both_readings():
    for reply in ("I can't assist with that.", "I'm sorry, I cannot rate this: 5"):
        assert read_official_lines(reply).state is State.REFUSED
        assert read_strict_lines(reply, LABELS).state is State.REFUSED


def test_official_stops_where_the_script_would():
    assert read_official_lines("Motion Fidelity: ²").state is State.PARSE_FAILED
    assert read_official_lines("no scores at all").state is State.PARSE_FAILED


def test_only_rededits_script_looks_past_spaces_before_the_score():
    assert official_scores("Motion Fidelity:  4") == []
    assert official_scores("Motion Fidelity:  4", str.strip) == [4]
    assert official_scores("Motion Fidelity: : 4", str.strip) == []


def test_what_no_judge_writes_is_no_score():
    assert read_official_lines("Motion Fidelity: " + "9" * 50).state is State.PARSE_FAILED
    assert read_strict_lines(reply_with([5, 5, 5]) + " " * 100_000, LABELS).state is State.PARSE_FAILED


@given(st.text(max_size=200))
def test_no_text_crashes_a_parser_or_gets_a_score_outside_the_scale(reply):
    read_official_lines(reply)
    assert all(1 <= score <= 5 for score in read_strict_lines(reply, LABELS).scores)


@pytest.mark.timeout(20)  # quadratic time would be minutes
@pytest.mark.parametrize("filler", [" ", "*", "- ", "|", ",", "9", "Motion ", "Motion Fidelity: ", "("])
def test_time_grows_with_the_length_and_not_with_its_square(filler):
    reply = "Motion Fidelity:" + filler * (90_000 // len(filler)) + "x"
    assert read_strict_lines(reply, LABELS).state is State.PARSE_FAILED
