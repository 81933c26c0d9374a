"""What every judge is, and what an answer of one is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Question, Say, Show
from benchmarks.protocols.transport import Carried, Sent, send

KEY_VERSION = 1


@dataclass(frozen=True)
class Request:
    """One question about one output, ready to be asked.

    Attributes:
        suite: name of the suite.
        model: what made the output; two models with the same output share the answer.
        sample_id: of the item.
        lang: of the instruction.
        question: what is asked.
        attempt: 1, or 2 where the protocol asks again because nothing could be read.
        repeat: 0 and up, where every question is asked several times to see the judge's spread.
        carried: the picture files.
        upright: see `benchmarks.protocols.transport.send`.
    """

    suite: str
    model: str
    sample_id: str
    lang: str
    question: Question
    attempt: int
    repeat: int
    carried: Carried
    upright: bool

    @cached_property
    def pictures(self) -> list[Sent | None]:
        """One entry for each part of the question: the picture as it is sent, None for words.

        Raises:
            UnreadableImageError: a picture does not decode.
        """
        return [
            send(part, self.carried, upright=self.upright) if isinstance(part, Show) else None
            for part in self.question.parts
        ]

    def picture_records(self) -> list[dict[str, Any]]:
        """Returns role and digests of the pictures; what was sent is known only once something was sent."""
        sent = self.__dict__.get("pictures") or [None] * len(self.question.parts)
        return [
            {
                "role": part.role,
                "file_sha256": self.carried.digests[part.role],
                "sent_sha256": hashlib.sha256(one.data).hexdigest() if one else None,
                "sent_as": one.media_type if one else None,
            }
            for part, one in zip(self.question.parts, sent, strict=True)
            if isinstance(part, Show)
        ]


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        state: `ok` where there is a reply, whatever it says; `refused` where the service declined to answer;
            `api_failed` where it gave no answer at all.
        reply: the judge's words.
        raw: what the service sent, whole.
        note: why there is no reply.
        tries: requests that this took.
    """

    state: State
    reply: str = ""
    raw: str = ""
    note: str = ""
    tries: int = 1


class JudgeUnavailableError(RuntimeError):
    """No question can be asked, such as for a wrong key; the message says what the service said."""


class Judge(Protocol):
    """Answers questions about pictures."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that decide its answers: kind, model, parameters. Never a secret."""
        ...

    def ask(self, request: Request) -> Answer:
        """Returns the answer; called from several threads at once.

        Raises:
            JudgeUnavailableError: asking anything more is pointless.
        """
        ...


def request_key(identity: Mapping[str, Any], request: Request) -> str:
    """Returns a digest of all that decides an answer: judge, words, files, transports, attempt and repeat.

    Without an identity it names the question, whoever answers it.
    """
    parts = [
        part.text if isinstance(part, Say) else [part.role, vars(part.transport), _digests(part, request)]
        for part in request.question.parts
    ]
    decides = [KEY_VERSION, dict(identity), request.question.system, parts, request.upright]
    text = json.dumps([*decides, request.attempt, request.repeat], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def prompt_digest(question: Question) -> str:
    """Returns the SHA-256 of all words of a question, in order."""
    said = [question.system, *(part.text for part in question.parts if isinstance(part, Say))]
    return hashlib.sha256("\x1f".join(said).encode()).hexdigest()


def _digests(part: Show, request: Request) -> list[str]:
    digests = request.carried.digests
    return [digests[part.role], *([digests["source"]] if part.transport.like_source else [])]
