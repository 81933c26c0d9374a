"""KRIS-Bench: consistency, quality, instruction following and knowledge, pooled over all of them."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.parsing.final_score import read_named
from benchmarks.parsing.kris import read_official_kris
from benchmarks.parsing.reading import Reading, State, failed
from benchmarks.protocols.protocol import Metric, Protocol, View, fill_template, source_roles
from benchmarks.protocols.rubric import QUESTION, RubricDimension, rubric
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem
from models.vlm.messages import Question, Say, Show, Transport

LOWEST, HIGHEST = 1, 5
FILE = Transport("file")
FRAME = Transport("jpeg", quality=85)

COMPOSITION, TEMPORAL, VIEWPOINT = "multi-element_composition", "temporal_prediction", "viewpoint_change"
FRAMES = "frames"
"""Fact of a temporal item: numbers of the source frames and, after a slash, of the one that is to be made."""

GROUPS = {
    "attribute perception": (
        "anomaly_correction", "color_change", "object_count", "part_completion", "size_adjustment",
    ),
    "spatial perception": ("position_movement", "viewpoint_change"),
    "temporal perception": ("temporal_prediction",),
    "social science": ("humanities", "practical_knowledge"),
    "natural science": ("biology", "chemistry", "geography", "mathematics", "medicine", "physics"),
    "logical reasoning": ("abstract_reasoning", "rule-based_reasoning"),
    "instruction decomposition": ("multi-element_composition", "multi-instruction_execution"),
}  # fmt: skip
"""Folders by group; the script's own list names folders that do not exist."""

KNOWLEDGE = ("social science", "natural science", "logical reasoning")
"""Groups in which knowledge is judged, together with the instruction."""

DIMENSIONS = {
    "consistency": RubricDimension("Visual Consistency", "what the instruction leaves alone is unchanged."),
    "quality": RubricDimension("Visual Quality", "the edit is sharp, natural and free of artifacts."),
    "instruction": RubricDimension(
        "Instruction Following", "the edit does what the instruction says, wholly."
    ),
    "knowledge": RubricDimension(
        "Knowledge Plausibility",
        "the result agrees with what is known of the world and with the explanation.",
    ),
}

ALL = Metric("score", "Score, percent", worst=0.0, best=100.0, official=RULES["kris"], strict=RULES["kris"])
METRICS = (
    ALL,
    *(
        Metric(name, f"{one.label}, percent", 0.0, 100.0, RULES["kris"], RULES["kris"])
        for name, one in DIMENSIONS.items()
    ),
)


def kris(prompts: Mapping[str, str]) -> Protocol:
    """Returns KRIS-Bench's protocol with the prompts of its prompts.py, by the names of its variables.

    Officially a score may stand in an object, after its label or as a share of 5, and every score that is
    there is pooled; strictly the object that the prompts ask for must be there, and all scores of a sample.
    What the scripts guess from the first digit of a reply has no score in either.

    Source: mercurystraw/Kris_Bench, metrics_*.py. Its scripts look for a folder `view_pair`, which is
    `viewpoint_change` in the data.
    """

    def questions(item: BenchItem) -> tuple[Question, ...]:
        values = {
            "instruct": item.instruction,
            "explanation": item.facts.get("explain", ""),
            "N": item.facts.get(FRAMES, "").partition("/")[2],
        }
        return tuple(
            Question(name, (Say(fill_template(prompts[variable], values)), *shown), labels)
            for name, variable, shown, labels in _asked(item)
        )

    def read_loosely(question: Question, reply: str, attempt: int) -> Reading:  # noqa: ARG001
        return read_official_kris(reply, question.labels)

    def read(question: Question, reply: str, attempt: int) -> Reading:  # noqa: ARG001
        return read_named(reply, [f"{label}_score" for label in question.labels], LOWEST, HIGHEST)

    return Protocol(
        name="KRIS-Bench, official prompts",
        official=True,
        questions=questions,
        read={"official": read_loosely, "strict": read},
        combine=_combine,
        metrics=METRICS,
        parameters={"max_tokens": 1000},
    )


def kris_rubric() -> Protocol:
    """Returns a protocol for KRIS-Bench without its prompts: the same dimensions in one question."""
    return rubric(
        "KRIS-Bench",
        lambda item: [DIMENSIONS[name] for name in _dimensions(item)],
        scale=(LOWEST, HIGHEST),
        combine=_combine_rubric,
        metrics=METRICS,
        facts={"explain": "Explanation of the right result"},
    )


def _dimensions(item: BenchItem) -> Sequence[str]:
    """Returns what is judged of an item."""
    return list(DIMENSIONS) if item.kind in KNOWLEDGE else list(DIMENSIONS)[:-1]


Asked = tuple[str, str, Sequence[Say | Show], tuple[str, ...]]
"""Name of a question, variable of its prompt, images with their captions, and labels of the scores."""


def _asked(item: BenchItem) -> list[Asked]:
    shown = _pictures(item)
    consistency, following = "prompt_consist", "prompt_instruction_following"
    seen = shown
    if item.kind in KNOWLEDGE:
        following = "prompt_dual_evaluation"
    elif item.category == COMPOSITION:
        consistency, following = "prompt_consist_multi", "prompt_instruction_multi"
    elif item.category == TEMPORAL:
        consistency, following = "prompt_consist_temporal", "prompt_instruction_temporal"
    elif item.category == "anomaly_correction":
        following = "prompt_abnormal_instruction_following"
    elif item.category == VIEWPOINT and item.truth is not None:
        following = "prompt_view_instruction_following"
        seen = [*shown, Say("This is the ground truth image:"), Show("reference", FILE)]
    knowing = item.kind in KNOWLEDGE
    labels = ("instruction", "knowledge") if knowing else ("instruction",)
    alone = [Say("This is the edited image:"), Show("output", FILE)]
    return [
        ("consistency", consistency, shown, ("consistency",)),
        ("dual" if knowing else "instruction", following, seen, labels),
        ("quality", "prompt_quality", alone, ("quality",)),
    ]


def _pictures(item: BenchItem) -> list[Say | Show]:
    sources = source_roles(item)
    if item.category == TEMPORAL and FRAMES in item.facts:
        given, _, made = item.facts[FRAMES].partition("/")
        frames = [
            (int(number), role, "Reference") for number, role in zip(given.split(), sources, strict=True)
        ]
        ordered = sorted([*frames, (int(made), "output", "Generated")])
        return [
            part
            for number, role, what in ordered
            for part in (Say(f"Frame {number} ({what}):"), Show(role, FRAME))
        ]
    if item.category == COMPOSITION or len(sources) > 1:
        told = [(f"Reference Image {number}:", role) for number, role in enumerate(sources, start=1)]
        told.append(("Predicted Image:", "output"))
    else:
        told = [("This is the original image:", "source"), ("This is the edited image:", "output")]
    return [part for words, role in told for part in (Say(words), Show(role, FILE))]


def _combine(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:
    found: dict[str, Reading] = {}
    for name, _, _, labels in _asked(item):
        reading = readings[name]
        for place, label in enumerate(labels):
            found[label] = _of_label(reading, place, label)
    return _with_score(found, view)


def _of_label(reading: Reading, place: int, label: str) -> Reading:
    if reading.state is not State.OK:
        return reading
    score = reading.scores[place]
    return failed(f"no score for {label}") if math.isnan(score) else Reading(State.OK, (score,))


def _combine_rubric(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:
    reading = readings[QUESTION]
    if reading.state is not State.OK:
        return _with_score(dict.fromkeys(_dimensions(item), reading), view)
    scores = zip(_dimensions(item), reading.scores, strict=True)
    return _with_score({name: Reading(State.OK, (score,)) for name, score in scores}, view)


def _with_score(found: Mapping[str, Reading], view: View) -> dict[str, Reading]:
    """Returns the dimensions in percent, and all of a sample's to be pooled: officially those there are."""
    percent = {
        name: Reading(State.OK, (25 * (reading.scores[0] - 1),)) if reading.state is State.OK else reading
        for name, reading in found.items()
    }
    pooled = tuple(reading.scores[0] for reading in percent.values() if reading.state is State.OK)
    failure = next((reading for reading in percent.values() if reading.state is not State.OK), None)
    score = Reading(State.OK, pooled) if failure is None else failure
    if failure is not None and pooled:
        told = f"{len(pooled)} of {len(percent)} dimensions: {failure.note or failure.state}"
        score = Reading(State.OK, pooled, told) if view == "official" else failed(told)
    return {**percent, "score": score}
