"""Every reply that was ever given, in one file to which lines are only appended."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.parsing.reading import State
from benchmarks.suites.item import SuiteError


class RepliesBusyError(RuntimeError):
    """Another run writes to the same file."""


class Replies:
    """The stored replies of a run, found by the key of their question; only their places are in memory.

    A reply is on the disk before anything else happens, so a killed run asks for none of them again. A line
    that a kill cut short is removed. What the service failed to answer is stored too, and asked again.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file for this process alone.

        Raises:
            RepliesBusyError: another process has it open.
            SuiteError: a line in the middle of the file is not a reply.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, bool]] = {}
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
        """Lets other processes open the file."""
        self._stream.close()

    def answered(self, key: str) -> bool:
        """Returns whether the question need not be asked: it has a reply, or was refused."""
        return self._places.get(key, (0, False))[1]

    def get(self, key: str) -> dict[str, Any] | None:
        """Returns the record of a question, None where it was never asked. The newest record counts."""
        with self._lock:
            if key not in self._places:
                return None
            self._stream.seek(self._places[key][0])
            return json.loads(self._stream.readline())

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes a record, which has a `key` and a `state`, and returns when it is on the disk."""
        line = (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode()
        with self._lock:
            place = self._stream.seek(0, os.SEEK_END)
            self._stream.write(line)
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._places[record["key"]] = (place, record["state"] != State.API_FAILED)

    def _index(self) -> None:
        self._stream.seek(0)
        place = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                self._stream.truncate(place)
                break
            record = _parsed(line, self.path, place)
            self._places[record["key"]] = (place, record["state"] != State.API_FAILED)
            place += len(line)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the records of a file that nobody writes to, in the order in which they were stored.

    Raises:
        SuiteError: a line is not a reply.
    """
    yield from (record for _, record in read_places(path))


def read_places(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (byte where it stands, record) of such a file, so that a reader can come back for one of them.

    Raises:
        SuiteError: a line is not a reply.
    """
    with path.open("rb") as stream:
        place = 0
        for line in stream:
            if line.endswith(b"\n"):
                yield place, _parsed(line, path, place)
            place += len(line)


def read_record(path: Path, place: int) -> dict[str, Any]:
    """Returns the record that stands at a byte which `read_places` told.

    Raises:
        SuiteError: it no longer stands there.
    """
    with path.open("rb") as stream:
        stream.seek(place)
        return _parsed(stream.readline(), path, place)


def _parsed(line: bytes, path: Path, place: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
        State(record["state"])
        if isinstance(record["key"], str):
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise SuiteError(f"{path}: what stands at byte {place} is not a stored reply. Was the file edited?")
