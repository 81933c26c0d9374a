"""Judges behind an address: services that speak as OpenAI's or as Gemini's."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from benchmarks.judges.http import Retries, checked_url, new_client, request_patiently
from benchmarks.judges.judge import Answer, Judge, Request, request_key
from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Say
from models.common.pixels import UnreadableImageError

FILTERED = (
    "content_filter",
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "RECITATION",
    "SPII",
    "IMAGE_SAFETY",
)
"""Reasons for which a service ends a reply, in which it declines to judge."""

Read = Callable[[Any], tuple[State, str, str]]
"""Gets a service's answer and returns state, reply and note."""


class HostedJudge:
    """A judge behind an address; secrets are in its headers only, never in its identity."""

    def __init__(
        self,
        *,
        identity: Mapping[str, Any],
        url: str,
        headers: Mapping[str, str],
        body: Callable[[Request], Mapping[str, Any]],
        read: Read,
        retries: Retries,
    ) -> None:
        self.identity = identity
        self._url, self._body, self._read, self._retries = url, body, read, retries
        self._client = new_client(retries, headers)

    def ask(self, request: Request) -> Answer:
        """Returns the answer of the service; garbage in place of an answer is asked for again."""
        try:
            content = json.dumps(self._body(request)).encode()
        except UnreadableImageError as error:
            return Answer(State.API_FAILED, note=f"the picture cannot be sent: {error}")
        response = request_patiently(
            lambda: self._client.stream(
                "POST", self._url, content=content, headers={"content-type": "application/json"}
            ),
            retries=self._retries,
            key=request_key(self.identity, request),
            is_answer=lambda body: self._readable(body) is not None,
        )
        raw = response.body.decode("utf-8", "replace")
        if response.outcome != "ok":
            state = State.REFUSED if response.outcome == "declined" else State.API_FAILED
            return Answer(state, raw=raw, note=response.note, tries=response.tries)
        found = self._readable(response.body)
        assert found is not None
        state, reply, note = found
        return Answer(state, reply=reply, raw=raw, note=note, tries=response.tries)

    def _readable(self, body: bytes) -> tuple[State, str, str] | None:
        try:
            return self._read(json.loads(body))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return None


def openai_judge(
    model: str, *, url: str, key: str | None, parameters: Mapping[str, Any], retries: Retries
) -> Judge:
    """Returns a judge that speaks as OpenAI's chat completions, such as OpenAI, vLLM or a gateway.

    Args:
        model: its name there.
        url: base address, up to and with `/v1`.
        key: secret, sent as a bearer token; None sends none.
        parameters: temperature, top_p, max_tokens, seed; what is left out is left to the service.
        retries: patience.
    """
    base = checked_url(url)
    allowed = {
        name: parameters[name]
        for name in ("temperature", "top_p", "max_tokens", "seed")
        if name in parameters
    }
    return HostedJudge(
        identity={"judge": "openai", "model": model, "url": base, **allowed},
        url=f"{base}/chat/completions",
        headers={"authorization": f"Bearer {key}"} if key else {},
        body=lambda request: {"model": model, "messages": _messages(request), **allowed},
        read=_read_openai,
        retries=retries,
    )


def gemini_judge(
    model: str, *, url: str, key: str | None, parameters: Mapping[str, Any], retries: Retries
) -> Judge:
    """Returns a judge that speaks as Gemini's generateContent; arguments as for `openai_judge`.

    Args:
        model: its name there.
        url: base address, up to and with `/v1beta`.
        key: secret, sent as `x-goog-api-key`.
        parameters: as for `openai_judge`.
        retries: patience.
    """
    base = checked_url(url)
    names = {"temperature": "temperature", "top_p": "topP", "max_tokens": "maxOutputTokens", "seed": "seed"}
    config = {names[name]: parameters[name] for name in names if name in parameters}

    def body(request: Request) -> Mapping[str, Any]:
        content = {
            "contents": [{"role": "user", "parts": _gemini_parts(request)}],
            "generationConfig": config,
        }
        system = request.question.system
        return {**content, "systemInstruction": {"parts": [{"text": system}]}} if system else content

    return HostedJudge(
        identity={"judge": "gemini", "model": model, "url": base, **config},
        url=f"{base}/models/{quote(model, safe='')}:generateContent",
        headers={"x-goog-api-key": key} if key else {},
        body=body,
        read=_read_gemini,
        retries=retries,
    )


def _messages(request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part, sent in zip(request.question.parts, request.pictures, strict=True):
        if isinstance(part, Say):
            parts.append({"type": "text", "text": part.text})
        elif sent is not None:
            address = f"data:{sent.media_type};base64,{base64.b64encode(sent.data).decode()}"
            parts.append({"type": "image_url", "image_url": {"url": address}})
    system = request.question.system
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": parts}]


def _gemini_parts(request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part, sent in zip(request.question.parts, request.pictures, strict=True):
        if isinstance(part, Say):
            parts.append({"text": part.text})
        elif sent is not None:
            data = base64.b64encode(sent.data).decode()
            parts.append({"inlineData": {"mimeType": sent.media_type, "data": data}})
    return parts


def _read_openai(data: Any) -> tuple[State, str, str]:
    choice = data["choices"][0]
    message = choice["message"]
    if message.get("refusal"):
        return State.REFUSED, "", str(message["refusal"])
    if choice.get("finish_reason") in FILTERED:
        return State.REFUSED, "", f"the reply was ended for {choice['finish_reason']}"
    content = message["content"]
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if not isinstance(content, str):
        raise TypeError("content is no text")
    return State.OK, content, ""


def _read_gemini(data: Any) -> tuple[State, str, str]:
    blocked = (data.get("promptFeedback") or {}).get("blockReason")
    if blocked:
        return State.REFUSED, "", f"the question was blocked for {blocked}"
    candidate = data["candidates"][0]
    parts = (candidate.get("content") or {}).get("parts") or []
    reply = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    if not reply and candidate.get("finishReason") in FILTERED:
        return State.REFUSED, "", f"the reply was ended for {candidate['finishReason']}"
    return State.OK, reply, ""
