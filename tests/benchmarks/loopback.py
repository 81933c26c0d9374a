"""A server on the loopback that records what it is asked and answers as it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = tuple[int, dict[str, str], bytes]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Recorder:
    """The server's address and the requests that came, in order."""

    url: str
    asked: list[Asked] = field(default_factory=list)


def as_json(value: Any, status: int = 200, **headers: str) -> Response:
    return status, {"content-type": "application/json", **headers}, json.dumps(value).encode()


def chat(content: Any, **choice: Any) -> Response:
    """An answer as OpenAI's."""
    return as_json({"choices": [{"message": {"content": content}, "finish_reason": "stop", **choice}]})


@contextmanager
def loopback(answer: Callable[[Asked, int], Response | None]) -> Iterator[Recorder]:
    """Serves `answer(request, how many came before)`; None cuts the connection."""
    recorder = Recorder("")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            with lock:
                number = len(recorder.asked)
                recorder.asked.append(asked)
            response = answer(asked, number)
            if response is None:
                self.connection.close()
                return
            status, headers, data = response
            self.send_response(status)
            for name, value in {"content-length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815 (the base class's names)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
