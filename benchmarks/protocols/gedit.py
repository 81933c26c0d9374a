"""GEdit-Bench: semantic consistency (SC), perceptual quality (PQ) and overall (O), 0 to 10, by VIEScore."""

from collections.abc import Mapping
from functools import partial

from benchmarks.parsing.reading import Reading, State
from benchmarks.parsing.viescore import HIGHEST, LOWEST, overall, read_official_viescore, read_strict_viescore
from benchmarks.protocols.protocol import Metric, Protocol, Reader, View
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem
from models.vlm.messages import Question, Say, Show, Transport

PARTS = ("context_no_delimit", "two_image_edit_rule", "tie_rule_SC", "rule_PQ")
"""Files of the official prompts, with `.txt`."""

PLACEHOLDER = "<instruction>"
LABELS = {"SC": ("edit success", "no over-editing"), "PQ": ("naturalness", "no artifacts")}

ATTEMPTS = 2
"""The official script asks without end; its second try accepts what its first does, and guesses besides."""

METRICS = (
    Metric("O", "Overall, 0 to 10", LOWEST, HIGHEST, RULES["gedit"], decimals=3),
    Metric("SC", "Semantic consistency", LOWEST, HIGHEST, RULES["gedit"], decimals=3),
    Metric("PQ", "Perceptual quality", LOWEST, HIGHEST, RULES["gedit"], decimals=3),
)


def gedit(prompts: Mapping[str, str]) -> Protocol:
    """Returns GEdit-Bench's protocol for a hosted judge; the official one was GPT-4.1.

    Source: stepfun-ai/Step1X-Edit, GEdit-Bench; prompts and parsing are TIGER-AI-Lab/VIEScore's.

    Args:
        prompts: texts by the names in `PARTS`.
    """
    return Protocol(
        name="GEdit-Bench, official prompts (VIEScore)",
        official=True,
        questions=partial(
            _questions,
            prompts,
            Transport("jpeg", quality=75),
            Transport("jpeg", quality=75, like_source=True),
            pictures_first=False,
        ),
        read=READERS,
        combine=_combine,
        metrics=METRICS,
        parameters={"max_tokens": 1400},
        attempts=ATTEMPTS,
    )


def gedit_local(prompts: Mapping[str, str]) -> Protocol:
    """Returns the protocol of GEdit-Bench's local judge, which was Qwen2.5-VL-72B: greedy, images first."""
    return Protocol(
        name="GEdit-Bench, official prompts (VIEScore, local judge)",
        official=True,
        questions=partial(
            _questions,
            prompts,
            Transport("png"),
            Transport("png", like_source=True),
            pictures_first=True,
        ),
        read=READERS,
        combine=_combine,
        metrics=METRICS,
        parameters={"max_tokens": 512, "temperature": 0.0, "seed": 42},
        attempts=ATTEMPTS,
    )


def _combine(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:  # noqa: ARG001
    """Returns SC, PQ and O: the least sub-score of each, and the root of their product.

    A sample has either all three or none, because the official script drops it as a whole.
    """
    found = overall(readings["SC"], readings["PQ"])
    if found is not None:
        return {
            name: Reading(State.OK, (value,)) for name, value in zip(("SC", "PQ", "O"), found, strict=True)
        }
    missing = next((reading for reading in readings.values() if reading.state is not State.OK), None)
    missing = missing or Reading(State.PARSE_FAILED, note="the product of scores out of range is negative")
    return dict.fromkeys(("SC", "PQ", "O"), missing)


def _questions(
    prompts: Mapping[str, str], source: Transport, output: Transport, item: BenchItem, *, pictures_first: bool
) -> tuple[Question, ...]:
    success = "\n".join(
        prompts[part] for part in ("context_no_delimit", "two_image_edit_rule", "tie_rule_SC")
    )
    quality = "\n".join(prompts[part] for part in ("context_no_delimit", "rule_PQ"))
    asked = {
        "SC": (
            Say(success.replace(PLACEHOLDER, item.instruction)),
            (Show("source", source), Show("output", output)),
        ),
        "PQ": (Say(quality), (Show("output", output),)),
    }
    return tuple(
        Question(name, (*shown, words) if pictures_first else (words, *shown), LABELS[name])
        for name, (words, shown) in asked.items()
    )


READERS: Mapping[View, Reader] = {
    "official": lambda question, reply, attempt: read_official_viescore(reply, attempt),  # noqa: ARG005
    "strict": lambda question, reply, attempt: read_strict_viescore(reply),  # noqa: ARG005
}
