"""Our evaluator as a judge of any suite: the probability that an output is the source edited as asked."""

import json
from collections.abc import Mapping

from benchmarks.parsing.reading import Reading, State, failed
from benchmarks.protocols.protocol import Metric, Protocol, View
from benchmarks.scoring.aggregate import RULES
from benchmarks.suites.item import BenchItem
from models.vlm.messages import Question, Say, Show, Transport

QUESTION = "alignment"
MEASURE = Metric(
    "alignment", "Registration, 0 to 1", worst=0.0, best=1.0, official=RULES["strict"], decimals=3
)


def alignment() -> Protocol:
    """Returns the protocol whose replies are our evaluator's, `{"alignment": 0.93}`."""
    return Protocol(
        name="Alignment of source, instruction and output, our evaluator",
        official=False,
        questions=_questions,
        read={"official": _read, "strict": _read},
        combine=_combine,
        metrics=(MEASURE,),
    )


def _questions(item: BenchItem) -> tuple[Question, ...]:
    parts = (Say(item.instruction), Show("source", Transport("file")), Show("output", Transport("file")))
    return (Question(QUESTION, parts, (QUESTION,)),)


def _read(question: Question, reply: str, attempt: int) -> Reading:  # noqa: ARG001
    try:
        value = json.loads(reply)[QUESTION]
    except (ValueError, KeyError, TypeError):
        return failed(f"expected an object with {QUESTION}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return failed(f"{value!r:.40} is not from 0 to 1")
    return Reading(State.OK, (float(value),))


def _combine(item: BenchItem, readings: Mapping[str, Reading], view: View) -> Mapping[str, Reading]:  # noqa: ARG001
    return {MEASURE.name: readings[QUESTION]}
