"""Files that are written whole or not at all, their digests, and locks on folders."""

import fcntl
import hashlib
import os
import uuid
from pathlib import Path
from typing import IO


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name beside it, syncs it to disk, then renames it.

    A killed or failed write leaves the old content, or nothing, never a part of the new.
    """
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_beside(path: Path) -> Path:
    """Returns a new name in the folder of `path`, which is made if it is missing.

    For writers that need a path; `publish_file` gives the file its name afterwards.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f".{path.name}.{uuid.uuid4().hex}.tmp"


def publish_file(temporary: Path, path: Path) -> None:
    """Syncs a finished temporary file to disk and gives it its name."""
    sync(temporary)
    temporary.replace(path)


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file as 64 hex digits; reads it in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def try_lock(stream: IO[str] | IO[bytes]) -> bool:
    """Returns whether this process now holds the lock of an open file; it goes with the process."""
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
