"""Clients of HTTP services with the API of OpenAI's chat completions or of Gemini's generateContent."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from models.common.canonical import UnreadableImageError
from models.vlm.client import Answer, Client, ReplyState, Request, more_room, request_key
from models.vlm.http import Retries, checked_url, new_client, request_patiently
from models.vlm.messages import Say
from models.vlm.redact import redact, redact_json

FILTERED = (
    "content_filter",
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "RECITATION",
    "SPII",
    "IMAGE_SAFETY",
)
"""Finish reasons with which a service declines to answer."""

BEARER = "Bearer "

CUT_OFF = ("length", "max_tokens", "model_length", "max_output_tokens")
"""Finish reasons, in small letters, of a reply that reached the limit of tokens."""

ReadResponse = Callable[[Any], tuple[ReplyState, str, str]]
"""Takes the JSON of a response and returns state, reply and note."""


class HostedClient:
    """A client of an HTTP service; secrets are only in its headers, never in its identity."""

    def __init__(
        self,
        *,
        identity: Mapping[str, Any],
        url: str,
        headers: Mapping[str, str],
        body: Callable[[Request, int | None], Mapping[str, Any]],
        max_tokens: int | None,
        read: ReadResponse,
        retries: Retries,
    ) -> None:
        self.identity = identity
        self._url, self._body, self._read, self._retries = url, body, read, retries
        self._client, self._max_tokens = new_client(retries, headers), max_tokens
        self._secrets = [value.removeprefix(BEARER) for value in headers.values()]

    def ask(self, request: Request) -> Answer:
        """Returns the answer of the service.

        A response that is no answer is requested again, and a reply that was cut off with more room.
        """
        answer, limit = self._asked(request, self._max_tokens), self._max_tokens
        while answer.state is ReplyState.CUT_OFF and (limit := more_room(limit)) is not None:
            wider = self._asked(request, limit)
            tries = answer.tries + wider.tries
            if wider.state is ReplyState.API_FAILED:  # some services refuse a limit that is too high for them
                return replace(answer, tries=tries, note=f"{answer.note}; with {limit}: {wider.note}")
            answer = replace(wider, tries=tries)
        return answer

    def _asked(self, request: Request, limit: int | None) -> Answer:
        try:
            content = json.dumps(self._body(request, limit)).encode()
        except UnreadableImageError as error:
            return Answer(ReplyState.API_FAILED, note=f"the image cannot be sent: {error}")
        response = request_patiently(
            lambda: self._client.stream(
                "POST", self._url, content=content, headers={"content-type": "application/json"}
            ),
            retries=self._retries,
            key=request_key(self.identity, request),
            is_answer=lambda body: self._readable(body) is not None,
            secrets=self._secrets,
        )
        raw = redact_json(response.body.decode("utf-8", "replace"), self._secrets)
        if response.outcome != "ok":
            state = ReplyState.REFUSED if response.outcome == "declined" else ReplyState.API_FAILED
            return Answer(state, raw=raw, note=response.note, tries=response.tries)
        answer = self._readable(response.body)
        assert answer is not None, "request_patiently checked it"
        state, reply, note = answer
        if state is ReplyState.CUT_OFF:
            note = f"the reply was cut off at {limit or 'the service’s limit of'} tokens"
        clean, told = (redact(text, self._secrets) for text in (reply, note))
        return Answer(state, reply=clean, raw=raw, note=told, tries=response.tries)

    def _readable(self, body: bytes) -> tuple[ReplyState, str, str] | None:
        try:
            return self._read(json.loads(body))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return None


def openai_client(
    model: str, *, url: str, key: str | None, parameters: Mapping[str, Any], retries: Retries
) -> Client:
    """Returns a client of a service with the API of OpenAI's chat completions, such as OpenAI or vLLM.

    Args:
        model: name of the model at the service.
        url: base address, up to and including `/v1`.
        key: secret, sent as a bearer token; None sends no token.
        parameters: temperature, top_p, max_tokens, seed; the service decides those that are missing.
        retries: limits of repeated requests.
    """
    base = checked_url(url)
    allowed = {
        name: parameters[name]
        for name in ("temperature", "top_p", "max_tokens", "seed")
        if name in parameters
    }
    return HostedClient(
        identity={"judge": "openai", "model": model, "url": base, **allowed},
        url=f"{base}/chat/completions",
        headers={"authorization": f"{BEARER}{key}"} if key else {},
        body=lambda request, limit: {
            "model": model,
            "messages": _messages(request),
            **allowed,
            **({"max_tokens": limit} if limit else {}),
        },
        max_tokens=allowed.get("max_tokens"),
        read=_read_openai,
        retries=retries,
    )


def gemini_client(
    model: str, *, url: str, key: str | None, parameters: Mapping[str, Any], retries: Retries
) -> Client:
    """Returns a client of a service with the API of Gemini's generateContent.

    Args:
        model: name of the model at the service.
        url: base address, up to and including `/v1beta`.
        key: secret, sent as `x-goog-api-key`.
        parameters: as for `openai_client`.
        retries: limits of repeated requests.
    """
    base = checked_url(url)
    names = {"temperature": "temperature", "top_p": "topP", "max_tokens": "maxOutputTokens", "seed": "seed"}
    config = {names[name]: parameters[name] for name in names if name in parameters}

    def body(request: Request, limit: int | None) -> Mapping[str, Any]:
        content = {
            "contents": [{"role": "user", "parts": _gemini_parts(request)}],
            "generationConfig": {**config, **({"maxOutputTokens": limit} if limit else {})},
        }
        system = request.question.system
        return {**content, "systemInstruction": {"parts": [{"text": system}]}} if system else content

    return HostedClient(
        identity={"judge": "gemini", "model": model, "url": base, **config},
        url=f"{base}/models/{quote(model, safe='')}:generateContent",
        headers={"x-goog-api-key": key} if key else {},
        body=body,
        max_tokens=parameters.get("max_tokens"),
        read=_read_gemini,
        retries=retries,
    )


def _messages(request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part, image in zip(request.question.parts, request.images, strict=True):
        if isinstance(part, Say):
            parts.append({"type": "text", "text": part.text})
        elif image is not None:
            address = f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
            parts.append({"type": "image_url", "image_url": {"url": address}})
    system = request.question.system
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": parts}]


def _gemini_parts(request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part, image in zip(request.question.parts, request.images, strict=True):
        if isinstance(part, Say):
            parts.append({"text": part.text})
        elif image is not None:
            data = base64.b64encode(image.data).decode()
            parts.append({"inlineData": {"mimeType": image.media_type, "data": data}})
    return parts


def _read_openai(data: Any) -> tuple[ReplyState, str, str]:
    choice = data["choices"][0]
    message = choice["message"]
    if message.get("refusal"):
        return ReplyState.REFUSED, "", str(message["refusal"])
    if choice.get("finish_reason") in FILTERED:
        return ReplyState.REFUSED, "", f"the reply was ended for {choice['finish_reason']}"
    cut_off = _is_cut_off(choice.get("finish_reason"))
    content = message.get("content") or "" if cut_off else message["content"]
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if not isinstance(content, str):
        raise TypeError("content is no text")
    return ReplyState.CUT_OFF if cut_off else ReplyState.OK, content, ""


def _is_cut_off(finish_reason: object) -> bool:
    return str(finish_reason).lower() in CUT_OFF


def _read_gemini(data: Any) -> tuple[ReplyState, str, str]:
    blocked = (data.get("promptFeedback") or {}).get("blockReason")
    if blocked:
        return ReplyState.REFUSED, "", f"the question was blocked for {blocked}"
    candidate = data["candidates"][0]
    parts = (candidate.get("content") or {}).get("parts") or []
    reply = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    if not reply and candidate.get("finishReason") in FILTERED:
        return ReplyState.REFUSED, "", f"the reply was ended for {candidate['finishReason']}"
    if _is_cut_off(candidate.get("finishReason")):
        return ReplyState.CUT_OFF, reply, ""
    return ReplyState.OK, reply, ""
