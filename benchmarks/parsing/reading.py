"""The result of parsing a judge's reply: scores, or the reason why there are none; nothing is guessed."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether a sample has scores, or why it has none.

    Contains the values of `models.vlm.client.ReplyState`, the states of stored replies.
    """

    OK = "ok"
    PARSE_FAILED = "parse_failed"
    REFUSED = "refused"
    CUT_OFF = "cut_off"
    API_FAILED = "api_failed"
    MISSING_OUTPUT = "missing_output"
    MISSING_SOURCE = "missing_source"
    UNMEASURED = "unmeasured"
    """The output exists but cannot be measured, for example because of its size."""


@dataclass(frozen=True)
class Reading:
    """One reply, parsed in one scoring mode.

    Attributes:
        state: `ok` if and only if there are scores.
        scores: in the order of the protocol's dimensions; empty unless `ok`.
        note: what was wrong, or how the scores were changed; may be empty.
    """

    state: State
    scores: tuple[float, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        assert (self.state is State.OK) == bool(self.scores), self


def failed(note: str) -> Reading:
    """Returns the reading of a reply without scores that the scoring mode accepts."""
    return Reading(State.PARSE_FAILED, note=note)
