"""HTTP requests with bounded retries, to services that may throttle, fail, hang or send too much."""

import email.utils
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from models.common.seeding import numpy_generator
from models.vlm.client import ClientUnavailableError
from models.vlm.redact import redact

MAX_RESPONSE_BYTES = 32_000_000
"""Replies are kilobytes; an edited image of 64 megapixels as base64 stays below this limit as well."""

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)
FATAL = (401, 402, 403, 404, 405)
NO_MONEY = re.compile(r"insufficient_quota|billing", re.IGNORECASE)
NO_KEY = re.compile(r"API_KEY_INVALID|API key not valid|invalid_api_key", re.IGNORECASE)
"""Gemini reports a wrong key with status 400, which otherwise concerns a single question."""

DECLINED = re.compile(
    r"content_policy|content_filter|content policy|responsibleai|moderation|jailbreak|safety|flagged|"
    r"PROHIBITED_CONTENT",
    re.IGNORECASE,
)
"""Words in the body of an error which say that the service declines this question: it is not asked again."""

CONNECT_TRIES, CONNECT_SECONDS = 4, 15.0
"""Failures to connect in a row after which nothing more is asked, and how long one of them may take."""

NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)

SHOWN = 300
"""Number of characters of a service's message that a note repeats."""


class Retries(NamedTuple):
    """How often a request is repeated, and how long each wait and each response may take.

    Attributes:
        tries: largest number of requests, including the first.
        first_wait: seconds to wait after the first failure; doubled after each further one, with jitter.
        longest_wait: upper limit of each wait in seconds, even if the service asks for more.
        timeout: seconds without a byte after which a request fails.
        longest: seconds after which an unfinished response fails.
    """

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    timeout: float = 180.0
    longest: float = 600.0


@dataclass(frozen=True)
class Response:
    """The outcome of a request: `ok` with the body, `declined`, or `failed` with the reason in `note`."""

    outcome: str
    body: bytes
    note: str
    tries: int


def checked_url(url: str) -> str:
    """Returns the base address of a service without a slash at its end.

    Raises:
        ValueError: not an HTTP address, or it contains a password, a query or a fragment, which would be
            stored and shown together with the replies.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("The address must not contain a password. Set the key in the environment.")
    if "?" in url or "#" in url:
        raise ValueError("The address must not contain ? or #. Set the key in the environment.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an address such as https://api.example.com/v1.")
    return url.rstrip("/")


def new_client(retries: Retries, headers: Mapping[str, str]) -> httpx.Client:
    """Returns a client that follows no redirects, so that a service cannot send us to another host."""
    timeout = httpx.Timeout(retries.timeout, connect=min(retries.timeout, CONNECT_SECONDS))
    return httpx.Client(timeout=timeout, headers=dict(headers), follow_redirects=False)


def request_patiently(
    send: Callable[[], Any],
    *,
    retries: Retries,
    key: str,
    is_answer: Callable[[bytes], bool] | None = None,
    secrets: Sequence[str] = (),
    wait: Callable[[float], None] = time.sleep,
) -> Response:
    """Returns the outcome of a request, which is sent again while that may help and tries are left.

    Args:
        send: opens the response; returns a context manager, as `httpx.Client.stream` does.
        retries: limits.
        key: names the request, so that the jitter of equal requests is equal.
        is_answer: whether a body is an answer of the service and not, for example, the page of a proxy; the
            request is sent again if it is not. None accepts every body.
        secrets: keys that no note and no error may repeat; the body is left as it is.
        wait: sleeps for the given number of seconds.

    Raises:
        ClientUnavailableError: wrong key, unknown model, no credit, or nobody listens at the address, so no
            other request can succeed.
    """
    generator = numpy_generator(0, "retry", key)
    note, body, unconnected = "", b"", 0
    for number in range(1, retries.tries + 1):
        asked_for = 0.0
        try:
            with send() as response:
                body = _limited_body(response, retries.longest)
                if response.status_code < 300 and (is_answer is None or is_answer(body)):
                    return Response("ok", body, "", number)
                unconnected = 0
                note, again = _classify_error(response.status_code, body, secrets)
                if not again:
                    declined = DECLINED.search(note) is not None
                    return Response("declined" if declined else "failed", body, note, number)
                asked_for = retry_after(response.headers.get("retry-after"))
        except httpx.HTTPError as error:
            note = redact(f"{type(error).__name__}: {error}", secrets)[:SHOWN]
            unconnected = unconnected + 1 if isinstance(error, NO_CONNECTION) else 0
            if unconnected == min(retries.tries, CONNECT_TRIES):
                raise _unreachable(error, note, unconnected) from None
        except TooLargeError as error:
            return Response("failed", b"", str(error), number)
        except TooSlowError as error:
            note = str(error)
        if number < retries.tries:
            backoff = retries.first_wait * 2 ** (number - 1) * generator.uniform(0.5, 1.0)
            wait(min(retries.longest_wait, max(backoff, asked_for)))
    return Response("failed", body, f"{note} ({retries.tries} tries)", retries.tries)


class TooLargeError(ValueError):
    """A response is larger than `MAX_RESPONSE_BYTES`."""


class TooSlowError(ValueError):
    """A response is not finished after `Retries.longest` seconds."""


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


def _unreachable(error: httpx.HTTPError, note: str, tries: int) -> ClientUnavailableError:
    url = error.request.url
    return ClientUnavailableError(
        f"Cannot connect to {url.scheme}://{url.netloc.decode('ascii', 'replace')} ({tries} tries in a row, "
        f"{note}). Start the service, or correct its address, and run again: what is there is kept."
    )


def _classify_error(status: int, body: bytes, secrets: Sequence[str]) -> tuple[str, bool]:
    """Returns a note, and whether sending the request again may help."""
    message = redact(body[:4000].decode("utf-8", "replace"), secrets)
    shown = " ".join(message.split())[:SHOWN]
    if status < 300:
        return f"the response is no answer: {shown!r}", True
    note = f"status {status}: {shown}"
    declined = DECLINED.search(note) is not None
    hopeless = status in FATAL or NO_KEY.search(message) or (status == 429 and NO_MONEY.search(message))
    if hopeless and not declined:
        raise ClientUnavailableError(f"The service refuses every request. {note}")
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
