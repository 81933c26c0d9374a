"""A judge on loopback that answers well, or refuses, throttles, hangs up and talks nonsense, as asked."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from models.seeding import numpy_generator

GOOD = "Brief reasoning: fine.\n{lines}"
MISDEEDS = ("refuse", "filter", "throttle", "cut", "garbage", "empty", "error")


@dataclass
class Log:
    """What the server was asked and what it answered.

    Attributes:
        asked: question to how often it was asked.
        answered: question to how often an answer left the server whole: a reply or a refusal.
        order: questions in the order in which they came.
    """

    asked: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def came(self, question: str) -> int:
        """Returns how often the question has come, this time included."""
        with self.lock:
            self.asked[question] = self.asked.get(question, 0) + 1
            self.order.append(question)
            return self.asked[question]

    def left(self, question: str) -> None:
        """Notes that an answer left whole."""
        with self.lock:
            self.answered[question] = self.answered.get(question, 0) + 1


Behave = Callable[[str, int], str]
"""Gets a question's digest and how often it came, and returns `good` or one of MISDEEDS."""


def always_good(question: str, times: int) -> str:  # noqa: ARG001
    """Returns `good`."""
    return "good"


def misbehave(question: str, times: int) -> str:
    """Returns what a bad day brings: half of the questions fail, some of them for ever, as their digest says."""
    generator = numpy_generator(0, "misbehave", question)
    if generator.uniform() < 0.5:
        return "good"
    deed = MISDEEDS[int(generator.integers(len(MISDEEDS)))]
    lasting = deed in ("refuse", "filter", "empty") or generator.uniform() < 0.1
    return deed if lasting or times <= int(generator.integers(1, 4)) else "good"


@contextmanager
def judge_server(behave: Behave = always_good) -> Iterator[tuple[str, Log]]:
    """Yields the address of a judge that speaks as OpenAI's and as Gemini's, and its log."""
    log = Log()

    class Handler(_Handler):
        pass

    Handler.behave, Handler.log = staticmethod(behave), log
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
    log: Log

    def do_POST(self) -> None:
        """Answers one question."""
        body = self.rfile.read(int(self.headers["content-length"]))
        question = hashlib.sha256(body).hexdigest()
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
        if deed in ("good", "refuse", "filter", "empty"):
            self.log.left(question)

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
