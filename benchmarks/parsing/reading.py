"""What a judge's reply amounts to: scores, or the reason why there are none. Nothing is ever guessed."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Why a sample has scores, or has none."""

    OK = "ok"
    PARSE_FAILED = "parse_failed"
    REFUSED = "refused"
    API_FAILED = "api_failed"
    MISSING_OUTPUT = "missing_output"
    MISSING_SOURCE = "missing_source"
    UNMEASURED = "unmeasured"
    """The output is there and can't be measured, such as for its size."""


@dataclass(frozen=True)
class Reading:
    """One reply, read in one mode.

    Attributes:
        state: `ok` exactly where there are scores.
        scores: in the order of the protocol's dimensions; empty unless `ok`.
        note: what was wrong, or what was done to the scores; empty where there is nothing to say.
    """

    state: State
    scores: tuple[float, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        assert (self.state is State.OK) == bool(self.scores), self


def failed(note: str) -> Reading:
    """Returns the reading of a reply that holds no scores that this mode accepts."""
    return Reading(State.PARSE_FAILED, note=note)
