"""Our own rubric, for benchmarks whose prompts are not available: the same dimensions, one line a score."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.parsing.lines import read_labelled
from benchmarks.protocols.protocol import Combine, Metric, Protocol, Reader, source_roles
from benchmarks.suites.item import BenchItem
from models.vlm.messages import Question, Say, Show, Transport

QUESTION = "rubric"

ASK = """You are grading an image edit. The images are named before each of them. \
Judge each dimension on its own, from {lowest} (worst) to {highest} (best). Use whole numbers only.

Instruction: {instruction}
{facts}
Dimensions:
{dimensions}

Reply in this format and add nothing:
Brief reasoning: at most 30 words.
{format}"""

PICTURES = Transport("jpeg", quality=90, longest_side=1024)


class RubricDimension(NamedTuple):
    """What is graded, under which name, and what its best and worst grades mean."""

    label: str
    meaning: str


def rubric(
    name: str,
    dimensions: Callable[[BenchItem], Sequence[RubricDimension]],
    *,
    scale: tuple[int, int],
    combine: Combine,
    metrics: tuple[Metric, ...],
    facts: Mapping[str, str],
) -> Protocol:
    """Returns a protocol that asks one question about an item's dimensions, parsed strictly in both modes.

    Args:
        name: of the benchmark.
        dimensions: of an item.
        scale: lowest and highest score.
        combine: gets the reading of the question `rubric`, scores in the order of the dimensions.
        metrics: what comes of it.
        facts: which of an item's facts the judge is told, and how they are introduced.
    """
    lowest, highest = scale

    def questions(item: BenchItem) -> tuple[Question, ...]:
        asked = dimensions(item)
        words = ASK.format(
            lowest=lowest,
            highest=highest,
            instruction=item.instruction,
            facts="".join(
                f"{title}: {item.facts[key]}\n" for key, title in facts.items() if key in item.facts
            ),
            dimensions="\n".join(f"- {one.label}: {one.meaning}" for one in asked),
            format="\n".join(f"{one.label}: A number from {lowest} to {highest}." for one in asked),
        )
        shown: list[Say | Show] = []
        for number, role in enumerate(source_roles(item), start=1):
            shown += [Say("Source:" if len(item.sources) == 1 else f"Source {number}:"), Show(role, PICTURES)]
        shown += [Say("Edit:"), Show("output", PICTURES)]
        if item.truth is not None:
            shown += [Say("A right result, for reference:"), Show("reference", PICTURES)]
        return (Question(QUESTION, (Say(words), *shown), tuple(one.label for one in asked)),)

    read: Reader = lambda question, reply, attempt: read_labelled(reply, question.labels, lowest, highest)  # noqa: ARG005, E731
    return Protocol(
        name=f"{name}, our rubric",
        official=False,
        questions=questions,
        read={"official": read, "strict": read},
        combine=combine,
        metrics=metrics,
        parameters={"temperature": 0.0, "max_tokens": 1024},
    )
