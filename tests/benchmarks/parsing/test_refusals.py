import pytest

from benchmarks.parsing.refusals import is_refusal


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot assist with this request.",
        "We are unable to provide an evaluation of this image.",
        "As an AI language model, I do not rate people.",
        "This request violates our usage policies.",
        "I will not be able to rate it; I must decline to evaluate real persons.",
        "抱歉，我无法评估这些图片。",
    ],
)
def test_a_refusal_is_recognised(reply):
    assert is_refusal(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "The dog can't be seen in the second image.",
        "I can't see any difference, so the edit failed.",
        "The model will not win a prize for this; Prompt Compliance: 1",
        "The edit is correct. " * 20 + "I cannot provide more detail.",
    ],
)
def test_a_judgement_is_no_refusal(reply):
    assert not is_refusal(reply)
