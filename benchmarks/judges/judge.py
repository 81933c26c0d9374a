"""The protocol of judges: clients of vision-language models, or stored replies by sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from models.vlm.client import Answer, Request


@dataclass(frozen=True, kw_only=True)
class JudgeRequest(Request):
    """One question about one output of a benchmark.

    Attributes:
        suite: name of the suite.
        model: name of the model that made the output; two models with the same output share the answer.
        sample_id: id of the item.
    """

    suite: str
    model: str
    sample_id: str


class Judge(Protocol):
    """Answers questions about outputs; every `models.vlm.client.Client` is a judge."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that decide the answers: kind, model, parameters. Never contains a secret."""
        ...

    def ask(self, request: JudgeRequest) -> Answer:
        """Returns the answer; called from several threads at once.

        Raises:
            ClientUnavailableError: no further request can succeed.
        """
        ...
