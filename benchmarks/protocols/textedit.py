"""TextEditBench: five dimensions of edits of text in images, 0 to 5, one question each."""

from collections.abc import Mapping, Sequence

from benchmarks.parsing.final_score import read_named
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric, Protocol, View
from benchmarks.protocols.rubric import QUESTION, RubricDimension, rubric
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem
from models.vlm.messages import Question, Say, Show, Transport

LOWEST, HIGHEST = 0, 5
FILE = Transport("file")
KNOWLEDGE = "knowledge_prompt"

DIMENSIONS = {
    "IF": RubricDimension(
        "Instruction Following", "exactly the operation that was asked for was carried out."
    ),
    "TA": RubricDimension("Text Accuracy", "the text reads as the instruction demands, letter by letter."),
    "VC": RubricDimension(
        "Visual Consistency", "font, size, colour, perspective and light fit the surroundings."
    ),
    "LP": RubricDimension("Layout Preservation", "everything that was not to be edited is unchanged."),
    "SE": RubricDimension(
        "Semantic Expectation", "what follows from the edit, as the knowledge says, is shown too."
    ),
}

METRICS = tuple(
    Metric(name, f"{one.label}, 0 to 5", LOWEST, HIGHEST, RULES["textedit"], RULES["rise"])
    for name, one in DIMENSIONS.items()
)

FORMAT = (
    'Answer with one JSON object and nothing around it: {{"{name}": a whole number from 0 to 5, '
    '"rationale": "one or two sentences"}}'
)


def textedit(prompts: Mapping[str, str]) -> Protocol:
    """Returns TextEditBench's protocol with its prompts, by dimension: IF, TA, VC, LP, SE.

    The closing demand for JSON is said in our words; the prompts name the same object.

    Source: CSU-JPG/TextEditBench, evaluation/gpt_eval_no_refer.py; the judge was GPT-4o.
    """

    def questions(item: BenchItem) -> tuple[Question, ...]:
        return tuple(
            Question(name, _parts(item, name), (name,), system=prompts[name]) for name in _dimensions(item)
        )

    def read(question: Question, reply: str, attempt: int) -> Reading:  # noqa: ARG001
        return read_named(reply, question.labels, LOWEST, HIGHEST)

    return Protocol(
        name="TextEditBench, official prompts with a closing demand for JSON in our words",
        official=True,
        questions=questions,
        read={"official": read, "strict": read},
        combine=lambda item, readings, view: readings,  # noqa: ARG005
        metrics=METRICS,
        parameters={"temperature": 0.0, "max_tokens": 500},
    )


def textedit_rubric() -> Protocol:
    """Returns a protocol for TextEditBench without its prompts: the same dimensions in one question."""
    return rubric(
        "TextEditBench",
        lambda item: [DIMENSIONS[name] for name in _dimensions(item)],
        scale=(LOWEST, HIGHEST),
        combine=_combine_rubric,
        metrics=METRICS,
        facts={KNOWLEDGE: "What follows from the edit"},
    )


def _dimensions(item: BenchItem) -> Sequence[str]:
    """Returns what is judged of an item: SE only where the benchmark says what follows from the edit."""
    return list(DIMENSIONS) if KNOWLEDGE in item.facts else list(DIMENSIONS)[:-1]


def _parts(item: BenchItem, name: str) -> tuple[Say | Show, ...]:
    said = [f"User editing instruction (prompt): {item.instruction}"]
    if name == "IF" and "editing_method" in item.facts:
        said.append(f"Editing method: {item.facts['editing_method']}")
    if name == "SE":
        said.append(f"Knowledge prompt: {item.facts[KNOWLEDGE]}")
    return (
        *(Say(text) for text in said),
        Say("Input image (original):"),
        Show("source", FILE),
        Say("Pred image (model output):"),
        Show("output", FILE),
        Say(FORMAT.format(name=name)),
    )


def _combine_rubric(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:  # noqa: ARG001
    reading = readings[QUESTION]
    if reading.state is not State.OK:
        return dict.fromkeys(_dimensions(item), reading)
    scores = zip(_dimensions(item), reading.scores, strict=True)
    return {name: Reading(State.OK, (score,)) for name, score in scores}
