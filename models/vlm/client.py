"""The protocol of vision-language model clients: requests, answers, and the keys of stored replies."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from models.vlm.messages import SOURCE, Question, Say, Show
from models.vlm.transport import EncodedImage, ImagePayload, encode_image

KEY_VERSION = 1

LEAST_ROOM, ROOM_FACTOR, MOST_TOKENS = 4096, 4, 16_384
"""Tokens that a cut reply gets at the second try at least, how the limit grows, and where it ends. Models may
think aloud for thousands before the first score, and many services refuse limits above 16,384."""


class ReplyState(StrEnum):
    """Whether a request has a reply, or why it has none."""

    OK = "ok"
    REFUSED = "refused"
    CUT_OFF = "cut_off"
    API_FAILED = "api_failed"

    @property
    def is_final(self) -> bool:
        """Whether the question need not be asked again."""
        return self in (ReplyState.OK, ReplyState.REFUSED)


@dataclass(frozen=True)
class Request:
    """One question about some images.

    Attributes:
        question: texts and images.
        lang: language of the instruction, `en` or `zh`.
        attempt: 1, or 2 if the caller asks again because it could not parse the first reply.
        repeat: 0 and up, if the caller asks every question several times to measure the spread of replies.
        payload: the image files.
        upright: see `models.vlm.transport.encode_image`.
    """

    question: Question
    lang: str
    attempt: int
    repeat: int
    payload: ImagePayload
    upright: bool

    @cached_property
    def images(self) -> list[EncodedImage | None]:
        """One entry for each part of the question: the encoded image, or None for text.

        Raises:
            UnreadableImageError: an image does not decode.
        """
        return [
            encode_image(part, self.payload, upright=self.upright) if isinstance(part, Show) else None
            for part in self.question.parts
        ]

    def image_records(self) -> list[dict[str, Any]]:
        """Returns role and digests of each image; `sent_sha256` is null if no image was encoded."""
        encoded = self.__dict__.get("images") or [None] * len(self.question.parts)
        return [
            {
                "role": part.role,
                "file_sha256": self.payload.digests[part.role],
                "sent_sha256": hashlib.sha256(one.data).hexdigest() if one else None,
                "sent_as": one.media_type if one else None,
            }
            for part, one in zip(self.question.parts, encoded, strict=True)
            if isinstance(part, Show)
        ]


@dataclass(frozen=True)
class Answer:
    """The response to a request.

    Attributes:
        state: `ok` if there is a reply, whatever it says; `refused` if the service declined to answer;
            `cut_off` if the reply reached the limit of tokens, also with more room; `api_failed` if it gave
            no answer at all.
        reply: the text of the model, which may be a part of it where it was cut off.
        raw: the complete response of the service.
        note: why there is no reply.
        tries: number of requests that were sent.
    """

    state: ReplyState
    reply: str = ""
    raw: str = ""
    note: str = ""
    tries: int = 1


def more_room(limit: int | None) -> int | None:
    """Returns the limit of tokens with which a reply that was cut off is asked for again.

    Args:
        limit: that the reply reached; None: the service's own.

    Returns:
        None where the reply had as much room as any gets.
    """
    wider = MOST_TOKENS if limit is None else min(MOST_TOKENS, max(LEAST_ROOM, ROOM_FACTOR * limit))
    return wider if limit is None or wider > limit else None


class ClientUnavailableError(RuntimeError):
    """No request can succeed, for example because the key is wrong; the message repeats the service's."""


class Client(Protocol):
    """Answers questions about images."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that decide the answers: kind, model, parameters. Never contains a secret."""
        ...

    def ask(self, request: Request) -> Answer:
        """Returns the answer; called from several threads at once.

        Raises:
            ClientUnavailableError: no further request can succeed.
        """
        ...


def request_key(identity: Mapping[str, Any], request: Request) -> str:
    """Returns a digest of all that decides an answer: client, texts, files, transports, attempt and repeat.

    With an empty identity the key names the question, whichever client answers it.
    """
    parts = [
        part.text if isinstance(part, Say) else [part.role, vars(part.transport), _digests(part, request)]
        for part in request.question.parts
    ]
    decides = [KEY_VERSION, dict(identity), request.question.system, parts, request.upright]
    text = json.dumps([*decides, request.attempt, request.repeat], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def prompt_digest(question: Question) -> str:
    """Returns the SHA-256 of all texts of a question, in order."""
    texts = [question.system, *(part.text for part in question.parts if isinstance(part, Say))]
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()


def _digests(part: Show, request: Request) -> list[str]:
    digests = request.payload.digests
    return [digests[part.role], *([digests[SOURCE]] if part.transport.like_source else [])]
