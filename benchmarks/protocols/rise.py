"""RISEBench: appearance consistency, reasoning and visual plausibility of edits that need reasoning."""

from collections.abc import Mapping, Sequence

from benchmarks.parsing.final_score import read_official_final, read_strict_final
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric, Protocol, View, fill_template
from benchmarks.protocols.rubric import QUESTION, RubricDimension, rubric
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem
from models.vlm.messages import ImageRole, Question, Say, Show, Transport

LOGICAL = "logical_reasoning"
PARTS = ("consistency", "reasoning", "plausibility")
LOWEST, HIGHEST = 1, 5
JPEG = Transport("jpeg", quality=75, longest_side=768)

FREE = "consistency_free"
SPOILED = "consistency_free_elsewhere"
"""Set on every item of a suite in which any item is free: the official script then treats them all so."""

METRICS = tuple(
    Metric(name, title, worst=0.0, best=100.0, official=RULES["rise"], strict=RULES["rise"])
    for name, title in (
        ("score", "Score, percent"),
        ("accuracy", "All dimensions perfect, percent"),
        ("reasoning", "Reasoning, percent"),
        ("consistency", "Appearance consistency, percent"),
        ("plausibility", "Visual plausibility, percent"),
    )
)

DIMENSIONS = {
    "consistency": RubricDimension(
        "Appearance Consistency",
        "what the instruction leaves alone looks the same: style, subject, background, layout.",
    ),
    "reasoning": RubricDimension(
        "Instruction Reasoning",
        "the edit shows the result that the instruction implies; compare with the reference, if given.",
    ),
    "plausibility": RubricDimension(
        "Visual Plausibility",
        "the picture is sharp and free of artifacts, distortions and impossible shapes.",
    ),
}


def rise(prompts: Mapping[str, str]) -> Protocol:
    """Returns RISEBench's protocol with the prompts of its utils.py, by the names of its variables.

    Source: PhoenixZ810/RISEBench, gpt_eval.py; the judge was GPT-4.1 at temperature 0.
    """

    def questions(item: BenchItem) -> tuple[Question, ...]:
        asked = _official_texts(item)
        values = {"instruct": item.instruction, "reference": _reference(item)}
        return tuple(
            Question(
                name,
                (Say(fill_template(prompts[variable], values)), *(Show(role, JPEG) for role in roles)),
                (name,),
            )
            for name, variable, roles in asked
        )

    return Protocol(
        name="RISEBench, official prompts",
        official=True,
        questions=questions,
        read={
            "official": lambda question, reply, attempt: read_official_final(reply),  # noqa: ARG005
            "strict": lambda question, reply, attempt: read_strict_final(reply, 0, HIGHEST),  # noqa: ARG005
        },
        combine=_combine,
        metrics=METRICS,
        parameters={"temperature": 0.0, "max_tokens": 4096},
    )


def rise_rubric() -> Protocol:
    """Returns a protocol for RISEBench without its prompts: its dimensions, 1 to 5, in one question."""
    return rubric(
        "RISEBench",
        lambda item: [DIMENSIONS[name] for name in _dimensions(item)],
        scale=(LOWEST, HIGHEST),
        combine=_combine_rubric,
        metrics=METRICS,
        facts={"reference": "The right result, in words", "reference_txt": "The right answer"},
    )


def _dimensions(item: BenchItem) -> Sequence[str]:
    """Returns what is judged of an item."""
    free = [] if FREE in item.facts else ["consistency"]
    return [*free, "reasoning"] if item.kind == LOGICAL else [*free, "reasoning", "plausibility"]


def _combine(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:
    """Returns the metrics in percent; officially, logical items are judged 0 or 1 and moved to 1 or 5."""
    failure = next((reading for reading in readings.values() if reading.state is not State.OK), None)
    if failure is not None:
        return _all(item, failure)
    scores = {name: reading.scores[0] for name, reading in readings.items()}
    if item.kind == LOGICAL:
        if view == "strict" and not set(scores.values()) <= {0.0, 1.0}:
            return _all(item, Reading(State.PARSE_FAILED, note="a logical item is judged 0 or 1"))
        scores = {name: 4 * min(score, 1.0) + 1 for name, score in scores.items()}
    elif view == "strict" and min(scores.values()) < LOWEST:
        return _all(item, Reading(State.PARSE_FAILED, note=f"a score below {LOWEST}"))
    return _measures(item, scores, view)


def _combine_rubric(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:
    reading = readings[QUESTION]
    if reading.state is not State.OK:
        return _all(item, reading)
    return _measures(item, dict(zip(_dimensions(item), reading.scores, strict=True)), view)


def _measures(item: BenchItem, scores: Mapping[str, float], view: View) -> dict[str, Reading]:
    found = {
        "score": _percent(weighted(item, scores, view)),
        "accuracy": 100.0 if all(score == HIGHEST for score in scores.values()) else 0.0,
        **{name: _percent(score) for name, score in scores.items()},
    }
    return {name: Reading(State.OK, (value,)) for name, value in found.items()}


def weighted(item: BenchItem, scores: Mapping[str, float], view: View) -> float:
    """Returns a sample's score from 1 to 5, by the benchmark's weights.

    Officially, one item that needs no consistency makes the script score all of them without it, because an
    absent field counts as true there.
    """
    free = FREE in item.facts or (view == "official" and SPOILED in item.facts)
    if item.kind == LOGICAL:
        score = 0.3 * scores.get("consistency", HIGHEST) + 0.7 * scores["reasoning"]
    elif free:
        score = 0.2 * scores["plausibility"] + 0.8 * scores["reasoning"]
    else:
        score = 0.3 * scores["consistency"] + 0.5 * scores["reasoning"] + 0.2 * scores["plausibility"]
    return max(1.0, score / 2) if scores["reasoning"] == 1 else score


def _percent(score: float) -> float:
    return 25 * (score - 1)


def _all(item: BenchItem, reading: Reading) -> dict[str, Reading]:
    return dict.fromkeys(("score", "accuracy", *_dimensions(item)), reading)


def _reference(item: BenchItem) -> str:
    return item.facts.get("reference_txt" if item.kind == LOGICAL else "reference", "")


def _official_texts(item: BenchItem) -> list[tuple[str, str, tuple[ImageRole, ...]]]:
    """Returns name, prompt variable and images of each question, as gpt_eval.py chooses them."""
    other: ImageRole = "reference" if item.truth is not None else "source"
    if item.kind == LOGICAL:
        asked = _logical(item, other)
    elif item.kind == "spatial_reasoning":
        asked = _spatial(item, other)
    else:
        seen = item.truth is not None and "reasoning_img" in item.facts
        asked = [
            ("consistency", "prompt_consist", ("source", "output")),
            (
                "reasoning",
                "prompt_reasoning_w_input" if seen else "prompt_reasoning",
                ("source", "output") if seen else ("output",),
            ),
            ("plausibility", "prompt_generation", ("output",)),
        ]
    return [one for one in asked if one[0] in _dimensions(item)]


def _logical(item: BenchItem, other: ImageRole) -> list[tuple[str, str, tuple[ImageRole, ...]]]:
    if "reference_txt" in item.facts:
        return [
            ("consistency", "prompt_logical_cons_ans", ("source", "output")),
            ("reasoning", "prompt_logical_txt", ("output",)),
        ]
    plain = "prompt_logical_img_wo_q" if "reasoning_wo_ins" in item.facts else "prompt_logical_img"
    return [
        ("consistency", "prompt_logical_cons", (other, "output")),
        ("reasoning", plain, (other, "output")),
    ]


def _spatial(item: BenchItem, other: ImageRole) -> list[tuple[str, str, tuple[ImageRole, ...]]]:
    seen: tuple[ImageRole, ...] = ("output",)
    variable = "prompt_spatial_ref"
    if item.truth is not None:
        variable = "prompt_spatial_ref_img"
        seen = (other, "output")
    elif "reasoning_img" in item.facts:
        variable = "prompt_spatial_ref_w_input"
        seen = ("source", "output")
    return [
        ("consistency", "prompt_spatial_cons", (other, "output")),
        ("reasoning", variable, seen),
        ("plausibility", "prompt_spatial_qual", ("output",)),
    ]
