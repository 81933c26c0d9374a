"""A judge on loopback that answers well, or refuses, throttles, hangs up and talks nonsense, as asked."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from models.common.seeding import numpy_generator

GOOD = "Brief reasoning: fine.\n{lines}"
MANY = 1000
MISDEEDS = ("refuse", "filter", "throttle", "cut", "garbage", "empty", "error", "surrogate")


@dataclass
class Log:
    """What the server was asked and what it answered.

    Attributes:
        asked: question to how often it was asked.
        order: questions in the order in which they came.
    """

    asked: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def came(self, question: str) -> int:
        """Returns how often the question has come, this time included."""
        with self.lock:
            self.asked[question] = self.asked.get(question, 0) + 1
            self.order.append(question)
            return self.asked[question]


Behave = Callable[[str, int], str]
"""Gets a question's name and how often it came, and returns `good` or one of MISDEEDS."""


def always_good(question: str, times: int) -> str:  # noqa: ARG001
    """Returns `good`."""
    return "good"


def misbehave(question: str, times: int) -> str:
    """Returns what a bad day brings: half of the questions fail, some for ever, as their name says."""
    deed, patience = _mood(question)
    return deed if times <= patience else "good"


def lasting_deed(question: str) -> str:
    """Returns what `misbehave` does with a question however often it is asked."""
    deed, patience = _mood(question)
    return deed if patience > MANY else "good"


def _mood(question: str) -> tuple[str, int]:
    """Returns what is done with a question, and for how many times."""
    generator = numpy_generator(0, "misbehave", question)
    if generator.uniform() < 0.5:
        return "good", 0
    deed = MISDEEDS[int(generator.integers(len(MISDEEDS)))]
    lasting = deed in ("refuse", "filter", "empty") or generator.uniform() < 0.15
    return deed, 10**9 if lasting else int(generator.integers(1, 4))


def digest_of(body: str) -> str:
    """Returns the SHA-256 of a request's body."""
    return hashlib.sha256(body.encode()).hexdigest()


@contextmanager
def judge_server(
    behave: Behave = always_good, *, name: Callable[[str], str] = digest_of
) -> Iterator[tuple[str, Log]]:
    """Yields the address of a judge that speaks as OpenAI's and as Gemini's, and its log.

    Args:
        behave: decides what is done with a question.
        name: what the log calls the question with this body.
    """
    log = Log()

    class Handler(_Handler):
        pass

    Handler.behave, Handler.name, Handler.log = staticmethod(behave), staticmethod(name), log
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    behave: Behave
    name: Callable[[str], str]
    log: Log

    def do_POST(self) -> None:
        """Answers one question."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        question = type(self).name(body)
        times = self.log.came(question)
        deed = type(self).behave(question, times)
        if deed == "cut":
            self.connection.close()
            return
        status, headers, data = _response(deed, json.loads(body), gemini="generateContent" in self.path)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Says nothing."""


def _response(deed: str, body: Any, *, gemini: bool) -> tuple[int, Mapping[str, str], bytes]:
    if deed == "throttle":
        return 429, {"retry-after": "0"}, b'{"error": {"message": "Rate limit reached"}}'
    if deed == "error":
        return 503, {}, b"upstream connect error"
    if deed == "garbage":
        return 200, {}, b"<html>502 Bad Gateway</html>"
    if deed == "filter":
        return (
            400,
            {},
            b'{"error": {"code": "content_policy_violation", "message": "Your request was rejected"}}',
        )
    said = {"refuse": "I'm sorry, but I can't assist with that request.", "empty": ""}
    reply = said[deed] if deed in said else _good_reply(json.dumps(body, ensure_ascii=False))
    if deed == "surrogate":  # cut inside an emoji, as services do at their limit of tokens
        reply += "\n\ud83d"
    if gemini:
        data = {"candidates": [{"content": {"parts": [{"text": reply}]}, "finishReason": "STOP"}]}
    else:
        data = {"choices": [{"message": {"content": reply}, "finish_reason": "stop"}]}
    return 200, {"content-type": "application/json"}, json.dumps(data).encode()


def _good_reply(body: str) -> str:
    """Returns scores under the labels that the question asks for; they depend on the whole question."""
    generator = numpy_generator(0, "reply", hashlib.sha256(body.encode()).hexdigest())
    lines = body.replace("\\n", "\n").splitlines()
    labels = [line.split(": A number")[0] for line in lines if ": A number" in line]
    if not labels:
        return json.dumps(
            {"score": [int(score) for score in generator.integers(0, 11, 2)], "reasoning": "so"}
        )
    first = int(generator.integers(1, 6))
    scores = [first, *(int(generator.integers(1, first + 1)) for _ in labels[1:])]
    return GOOD.format(
        lines="\n".join(f"{label}: {score}" for label, score in zip(labels, scores, strict=True))
    )
