"""Edits of text as a judge sees them: SuccessEdit, OverEdit, Style, Consistency, 0 to 10 (report, Table 7).

The report names these dimensions and their scale; its prompts are not published, so the words are ours, one
question that explains both ends of each scale, as VIEScore's questions about edits do.
"""

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.parsing.lines import read_labelled
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric, Protocol, Reader, View
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem
from benchmarks.suites.suite import Suite, made_suite
from models.vlm.messages import Question, Say, Show, Transport

LOWEST, HIGHEST = 0, 10
QUESTION = "text"
TASK = "text"
PUBLISHED = "rededit_text_table7"

DIMENSIONS = {
    "SuccessEdit": (
        "how well the text was edited as asked",
        "nothing that was asked for happened, or the text cannot be read",
        "the text says exactly what was asked for, in the place that was asked for",
    ),
    "OverEdit": (
        "how little was changed beyond what was asked for",
        "the picture is another one, or other text in it was rewritten",
        "nothing but the text in question differs from the first picture",
    ),
    "Style": (
        "how well the letters suit the picture: typeface, weight, size, colour, perspective, and any style "
        "that was asked for",
        "the letters look typed over a picture that they have nothing to do with",
        "nobody could tell which letters are new",
    ),
    "Consistency": (
        "how well the letters and their ground are one: light, texture, focus, edges, and the ground where "
        "old text was",
        "patches, halos, smears or remains of the old text meet the eye",
        "the ground goes on under and around the letters as if it had always been so",
    ),
}
"""What a score says, and what its lowest and its highest value mean."""

METRICS = tuple(
    Metric(name, f"{name}, 0 to 10", LOWEST, HIGHEST, official=RULES["strict"]) for name in DIMENSIONS
)

ASK = """You compare two pictures. The first is the original; the second is what an image editor made of it \
on this request about its text:

{instruction}
{expected}
Read the text in both pictures letter by letter before you judge. Give four whole numbers from {lowest} to \
{highest}, each on its own: a picture in which the request was ignored has a low SuccessEdit and still a \
high OverEdit, because nothing else was changed.

{dimensions}

Answer with these lines and nothing else:
Reasoning: what the edited text says, and what is wrong, in at most 40 words.
{format}"""

ORIGINAL = Transport("png")
"""Small letters do not survive shrinking or JPEG."""


def text_edit() -> Protocol:
    """Returns the protocol; both scoring modes read a reply strictly, since there is no official script."""
    read: Reader = lambda question, reply, attempt: read_labelled(reply, question.labels, LOWEST, HIGHEST)  # noqa: ARG005, E731
    return Protocol(
        name="Text edits, our questions about the report's dimensions",
        official=False,
        questions=_questions,
        read={"official": read, "strict": read},
        combine=_combine,
        metrics=METRICS,
        parameters={"temperature": 0.0, "max_tokens": 1024},
    )


def text_edits_of(suite: Suite) -> Suite:
    """Returns the edits of text in a suite, to be judged by `text_edit`.

    Of a suite with a task called text only that task is taken, of any other all samples.
    """
    chosen = [item for item in suite.items if item.kind == TASK] or list(suite.items)
    published = PUBLISHED if suite.name == "rededit" else None
    asked = replace(suite, items=chosen, protocol=text_edit(), published=published)
    if len(chosen) < len(suite.items):  # nobody says how many text edits there are, or were among bad rows
        asked = replace(asked, expected=None, rejected=0)
    return made_suite(asked)


def _questions(item: BenchItem) -> tuple[Question, ...]:
    expected = f"Text that must be readable afterwards: {item.expected_text}\n" if item.expected_text else ""
    words = ASK.format(
        instruction=item.instruction,
        expected=expected,
        lowest=LOWEST,
        highest=HIGHEST,
        dimensions="\n".join(
            f"{name}: {what}. {LOWEST}: {worst}. {HIGHEST}: {best}."
            for name, (what, worst, best) in DIMENSIONS.items()
        ),
        format="\n".join(f"{name}: a number from {LOWEST} to {HIGHEST}" for name in DIMENSIONS),
    )
    shown = (Say("Original:"), Show("source", ORIGINAL), Say("Edited:"), Show("output", ORIGINAL))
    return (Question(QUESTION, (Say(words), *shown), tuple(DIMENSIONS)),)


def _combine(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:  # noqa: ARG001
    reading = readings[QUESTION]
    if reading.state is not State.OK:
        return dict.fromkeys(DIMENSIONS, reading)
    scores = zip(DIMENSIONS, reading.scores, strict=True)
    return {name: Reading(State.OK, (score,)) for name, score in scores}
