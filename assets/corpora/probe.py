"""Decodes each image first in a sandboxed process, which a malformed file can kill or stall without harm."""

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

from models.common.canonical import UnreadableImageError
from models.common.damage import damage
from models.common.pixels import decode
from models.common.processes import die_with_parent

Probe = Callable[[bytes], str | None]
"""Takes the bytes of an image file; returns the reason why it is unreadable, or None."""

DECODER_VERSION = 2
"""Raised when decoding changes which files are readable: earlier outcomes then count no longer."""

NOT_MEASURED = "not_measured: limit"
"""How the reason of a file begins that a limit stopped. Whether it is readable is not known."""

LENGTH = struct.Struct(">Q")


@contextmanager
def image_probe(*, seconds: int, memory_mib: int) -> Iterator[Probe]:
    """Yields a function that decodes an image in another process and returns why it fails, or None.

    One process decodes many images. When an image kills it, by the time limit, the memory limit or a fault of
    the decoder, the function returns the reason and starts a new process for the next image.

    Args:
        seconds: wall-clock limit for one image; the kernel ends the process, even inside a C decoder.
        memory_mib: limit of the address space, including 300 MiB of the interpreter itself.
    """
    worker: subprocess.Popen[bytes] | None = None

    def probe(data: bytes) -> str | None:
        nonlocal worker
        if worker is None:
            worker = _start(seconds, memory_mib)
        reply = _send(worker, data)
        if reply:
            return json.loads(reply)
        code = _stop(worker)
        worker = None
        return _exit_reason(code, seconds)

    try:
        yield probe
    finally:
        if worker is not None:
            _stop(worker)


def decode_requests(requests: BinaryIO, replies: BinaryIO, seconds: int) -> None:
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
        found = damage(data)
    except UnreadableImageError as error:
        if isinstance(error.__cause__, MemoryError):
            return f"{NOT_MEASURED} memory_mib: decoding took too much memory"
        # A memory address in the message would make the records of two runs differ.
        return re.sub(r"0x[0-9a-f]{6,}", "0x…", str(error))[:300]
    except Exception as error:  # noqa: BLE001 header parsers raise any type
        return f"header does not parse: {type(error).__name__}: {error}"[:300]
    return None if found is None else f"damaged: {found}"[:300]


def _start(seconds: int, memory_mib: int) -> subprocess.Popen[bytes]:
    # The parent's import path without the current folder, which may hold another package named `models`.
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


def _send(worker: subprocess.Popen[bytes], data: bytes) -> bytes:
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


def _exit_reason(code: int, seconds: int) -> str:
    if code == -signal.SIGALRM:
        return f"{NOT_MEASURED} seconds: decoding took longer than {seconds} s"
    if code < 0:
        return f"decoding killed its process ({signal.Signals(-code).name})"
    return f"decoding ended its process (exit status {code})"


def _limit_resources(memory_mib: int) -> None:
    size = memory_mib * 1024**2
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a decoder must not write files


def main() -> None:
    """Decodes images for the parent process until the pipe is closed or the parent dies."""
    die_with_parent(signal.SIGKILL)  # a decoder that hangs does not notice that the pipe was closed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C must not become the reason why an image fails
    seconds, memory_mib = int(sys.argv[1]), int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a decoder must not be read as a reply
    _limit_resources(memory_mib)
    decode_requests(sys.stdin.buffer, replies, seconds)


if __name__ == "__main__":
    main()
