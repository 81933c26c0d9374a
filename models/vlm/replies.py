"""The store of replies: one file of JSON lines to which records are only appended."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.vlm.client import ReplyState


class RepliesBusyError(RuntimeError):
    """Another process writes to the same file."""


class RepliesError(ValueError):
    """A file of replies cannot be read; the message names the file and the position."""


class Replies:
    """The stored replies of a run by the key of their question; only their positions are kept in memory.

    A reply is written to disk before anything else happens, so a run that was killed asks no answered
    question again. A line that was cut short by a kill is removed. Failed requests and replies that were
    cut off are stored as well, and asked again.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and locks it for this process.

        Raises:
            RepliesBusyError: another process has it open.
            RepliesError: a line in the middle of the file is not a reply.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._positions: dict[str, tuple[int, bool]] = {}
        self._stream = path.open("a+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._stream.close()
            raise RepliesBusyError(
                f"Another run writes to {path}. Wait for it, or give this run a folder of its own."
            ) from error
        self._index()

    def close(self) -> None:
        """Closes and unlocks the file."""
        self._stream.close()

    def answered(self, key: str) -> bool:
        """Returns whether the question has a reply or was refused, so that it need not be asked again."""
        return self._positions.get(key, (0, False))[1]

    def get(self, key: str) -> dict[str, Any] | None:
        """Returns the newest record of a question; None if it was never asked."""
        with self._lock:
            if key not in self._positions:
                return None
            self._stream.seek(self._positions[key][0])
            return json.loads(self._stream.readline())

    def append(self, record: Mapping[str, Any]) -> None:
        """Appends a record, which has a `key` and a `state`; returns once it is on disk."""
        line = (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode()
        with self._lock:
            position = self._stream.seek(0, os.SEEK_END)
            self._stream.write(line)
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._positions[record["key"]] = (position, ReplyState(record["state"]).is_final)

    def _index(self) -> None:
        self._stream.seek(0)
        position = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                self._stream.truncate(position)
                break
            record = _parsed(line, self.path, position)
            self._positions[record["key"]] = (position, ReplyState(record["state"]).is_final)
            position += len(line)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the records of a file in the order in which they were stored; no process may write to it.

    Raises:
        RepliesError: a line is not a reply.
    """
    yield from (record for _, record in read_positions(path))


def read_positions(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (byte offset, record) of such a file; `read_record` reads one of them again.

    Raises:
        RepliesError: a line is not a reply.
    """
    with path.open("rb") as stream:
        position = 0
        for line in stream:
            if line.endswith(b"\n"):
                yield position, _parsed(line, path, position)
            position += len(line)


def read_record(path: Path, position: int) -> dict[str, Any]:
    """Returns the record at a byte offset from `read_positions`.

    Raises:
        RepliesError: there is no record at this offset.
    """
    with path.open("rb") as stream:
        stream.seek(position)
        return _parsed(stream.readline(), path, position)


def _parsed(line: bytes, path: Path, position: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
        ReplyState(record["state"])
        if isinstance(record["key"], str):
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise RepliesError(f"{path}: there is no stored reply at byte {position}. Was the file edited?")
