"""A disposable process that tries each image first: what kills or stalls a decoder kills nothing else."""

import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from models.common.pixels import UnreadableImageError, decode

Probe = Callable[[bytes], str | None]
"""From an image file's bytes to the reason why it is unreadable, or None."""

LENGTH = struct.Struct(">Q")


@contextmanager
def image_probe(*, seconds: int, memory_mib: int) -> Iterator[Probe]:
    """Yields a function that decodes an image in another process and returns what is wrong with it, or None.

    One process serves many images. When an image kills it, by time, memory or a decoder's own fault, that
    image gets the reason and the next one a new process.

    Args:
        seconds: wall-clock time for one image; the kernel ends the process, even inside a C decoder.
        memory_mib: address space of the process, the interpreter's own 300 MiB included.
    """
    worker: subprocess.Popen[bytes] | None = None

    def probe(data: bytes) -> str | None:
        nonlocal worker
        if worker is None:
            worker = _start(seconds, memory_mib)
        reply = _ask(worker, data)
        if reply:
            return json.loads(reply)
        code = _stop(worker)
        worker = None
        return _cause(code, seconds)

    try:
        yield probe
    finally:
        if worker is not None:
            _stop(worker)


def serve(requests: BinaryIO, replies: BinaryIO, seconds: int) -> None:
    """Answers each image on `requests` with one JSON line: null, or the reason why it does not decode."""
    while header := requests.read(LENGTH.size):
        data = requests.read(*LENGTH.unpack(header))
        signal.alarm(seconds)
        reason = _reason(data)
        signal.alarm(0)
        replies.write(json.dumps(reason).encode() + b"\n")
        replies.flush()


def _reason(data: bytes) -> str | None:
    try:
        decode(data)
    except UnreadableImageError as error:
        if isinstance(error.__cause__, MemoryError):
            return "pixels do not decode: too much memory"
        # An address in a message would make two runs differ.
        return re.sub(r"0x[0-9a-f]{6,}", "0x…", str(error))[:300]
    except Exception as error:  # noqa: BLE001 a header parser may raise anything; the record says what
        return f"header does not parse: {type(error).__name__}: {error}"[:300]
    return None


def _start(seconds: int, memory_mib: int) -> subprocess.Popen[bytes]:
    # The parent's own import path, and nothing of the current folder: it may hold another `models`.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
    }
    environment["OPENBLAS_NUM_THREADS"] = "1"  # each thread's stack counts as address space
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "assets.corpora.probe", str(seconds), str(memory_mib)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def _ask(worker: subprocess.Popen[bytes], data: bytes) -> bytes:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(LENGTH.pack(len(data)))
        worker.stdin.write(data)
        worker.stdin.flush()
    except BrokenPipeError:
        return b""
    return worker.stdout.readline()


def _stop(worker: subprocess.Popen[bytes]) -> int:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with suppress(BrokenPipeError):
        worker.stdin.close()
    worker.stdout.close()
    return worker.wait()


def _cause(code: int, seconds: int) -> str:
    if code == -signal.SIGALRM:
        return f"decoding took longer than {seconds} s"
    if code < 0:
        return f"decoding killed its process ({signal.Signals(-code).name})"
    return f"decoding ended its process (exit status {code})"


def _limit(memory_mib: int) -> None:
    size = memory_mib * 1024**2
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a decoder has no business writing files


def main() -> None:
    """Serves the parent process until it closes the pipe or goes away."""
    seconds, memory_mib = int(sys.argv[1]), int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints must not pass for a reply
    _limit(memory_mib)
    serve(sys.stdin.buffer, replies, seconds)


if __name__ == "__main__":
    main()
