"""Requests to a service that may throttle, fail, hang or send too much: bounded retries, and no guesses."""

import email.utils
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from benchmarks.judges.judge import JudgeUnavailableError
from models.common.seeding import numpy_generator

MAX_RESPONSE_BYTES = 32_000_000
"""Replies are kilobytes; an edited picture of 64 megapixels as base64 stays below this, too."""

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)
FATAL = (401, 402, 403, 404, 405)
NO_MONEY = re.compile(r"insufficient_quota|billing", re.IGNORECASE)
NO_KEY = re.compile(r"API_KEY_INVALID|API key not valid|invalid_api_key", re.IGNORECASE)
"""Gemini says so with status 400, which otherwise speaks of one question only."""

DECLINED = re.compile(
    r"content_policy|content_filter|content policy|responsibleai|moderation|jailbreak|safety|flagged|"
    r"PROHIBITED_CONTENT",
    re.IGNORECASE,
)
"""In the body of an error: the service won't look at this question, so asking again is pointless."""

SHOWN = 300
"""Characters of a service's message that a note repeats."""


class Retries(NamedTuple):
    """How often and how patiently a request is repeated.

    Attributes:
        tries: at most, the first included.
        first_wait: seconds after the first failure; doubled after each further one, with jitter.
        longest_wait: no wait is longer, not even where the service asks for more.
        timeout: seconds without a byte after which a request has failed.
        longest: seconds after which a response that is still coming has failed.
    """

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    timeout: float = 180.0
    longest: float = 600.0


@dataclass(frozen=True)
class Response:
    """What came of a request: `ok` with the body, `declined`, or `failed` with the reason."""

    outcome: str
    body: bytes
    note: str
    tries: int


def checked_url(url: str) -> str:
    """Returns the base address of a service without a slash at its end.

    Raises:
        ValueError: not an address of the web, or one with a password, a query or a fragment in it, which are
            stored and shown with everything that the service answers.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("An address must not hold a password. Put the key into the environment.")
    if "?" in url or "#" in url:
        raise ValueError("An address ends with its path, without ? or #. Put a key into the environment.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an address such as https://api.example.com/v1.")
    return url.rstrip("/")


def new_client(retries: Retries, headers: Mapping[str, str]) -> httpx.Client:
    """Returns a client that follows no redirect, because a service must not send us to another host."""
    return httpx.Client(timeout=retries.timeout, headers=dict(headers), follow_redirects=False)


def anything(body: bytes) -> bool:  # noqa: ARG001
    """Returns True: what the body says is somebody else's matter."""
    return True


def request_patiently(
    send: Callable[[], Any],
    *,
    retries: Retries,
    key: str,
    is_answer: Callable[[bytes], bool] = anything,
    wait: Callable[[float], None] = time.sleep,
) -> Response:
    """Returns what came of a request, after as many tries as it needs and is allowed.

    Args:
        send: opens the response, a context manager as `httpx.Client.stream` returns.
        retries: bounds.
        key: names the request, so that the jitter of equal requests is equal.
        is_answer: whether a body is what the service answers with, and not, say, the page of a proxy; what is
            not is asked for again.
        wait: sleeps for some seconds.

    Raises:
        JudgeUnavailableError: wrong key, no such model, no money: nothing else will be answered either.
    """
    generator = numpy_generator(0, "retry", key)
    note, body = "", b""
    for number in range(1, retries.tries + 1):
        asked_for = 0.0
        try:
            with send() as response:
                body = _limited_body(response, retries.longest)
                if response.status_code < 300 and is_answer(body):
                    return Response("ok", body, "", number)
                note, again = _judged_error(response.status_code, body)
                if not again:
                    declined = DECLINED.search(note) is not None
                    return Response("declined" if declined else "failed", body, note, number)
                asked_for = retry_after(response.headers.get("retry-after"))
        except httpx.HTTPError as error:
            note = f"{type(error).__name__}: {error}"[:SHOWN]
        except TooLargeError as error:
            return Response("failed", b"", str(error), number)
        except TooSlowError as error:
            note = str(error)
        if number < retries.tries:
            backoff = retries.first_wait * 2 ** (number - 1) * generator.uniform(0.5, 1.0)
            wait(min(retries.longest_wait, max(backoff, asked_for)))
    return Response("failed", body, f"{note} ({retries.tries} tries)", retries.tries)


class TooLargeError(ValueError):
    """A response has no end, or too late a one."""


class TooSlowError(ValueError):
    """A response goes on coming, a little at a time."""


def retry_after(header: str | None) -> float:
    """Returns the seconds that a Retry-After header asks for, a number or a date; 0 where there is none."""
    if not header:
        return 0.0
    if re.fullmatch(r"\d{1,9}(\.\d+)?", header.strip()):
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _judged_error(status: int, body: bytes) -> tuple[str, bool]:
    """Returns a note, and whether trying again may help."""
    message = body[:4000].decode("utf-8", "replace")
    shown = " ".join(message.split())[:SHOWN]
    if status < 300:
        return f"the response is no answer: {shown!r}", True
    note = f"status {status}: {shown}"
    declined = DECLINED.search(note) is not None
    hopeless = status in FATAL or NO_KEY.search(message) or (status == 429 and NO_MONEY.search(message))
    if hopeless and not declined:
        raise JudgeUnavailableError(f"The service refuses every request. {note}")
    return note, status in AGAIN and not declined


def _limited_body(response: httpx.Response, seconds: float) -> bytes:
    body, end = bytearray(), time.monotonic() + seconds
    for chunk in response.iter_bytes():
        body += chunk
        if time.monotonic() > end:
            raise TooSlowError(f"the response was still coming after {seconds:g} seconds")
        if len(body) > MAX_RESPONSE_BYTES:
            raise TooLargeError(f"the response has over {MAX_RESPONSE_BYTES:,} bytes")
    return bytes(body)
