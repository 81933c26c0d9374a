"""Readings of replies, and what a protocol makes of them, in short."""

from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import VIEWS
from models.vlm.messages import Show

REFUSED = Reading(State.REFUSED)
OFFICIAL, STRICT = VIEWS


def ok(*scores: float) -> Reading:
    return Reading(State.OK, tuple(map(float, scores)))


def values(protocol, one, readings, view=STRICT):
    found = protocol.combine(one, readings, view)
    return {
        name: reading.scores if reading.state is State.OK else reading.state
        for name, reading in found.items()
    }


def roles(question):
    return [part.role if isinstance(part, Show) else "words" for part in question.parts]
