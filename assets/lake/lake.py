"""Files under one root, a folder or `s3://bucket/prefix`, with atomic writes."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from assets.lake.ids import digest
from assets.lake.schemas import conform
from models.common.files import write_atomically

CHECKSUM = "checksum"

SET_ASIDE = "set_aside"
"""Folder of files that a newer or intact version has replaced: damaged files, and results of forced steps."""


ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://")


def is_local(root: str) -> bool:
    """Returns whether a root is a path on this machine and not an address such as s3://bucket/prefix."""
    return ADDRESS.match(root) is None


def open_root(root: str) -> tuple[AbstractFileSystem, str]:
    """Returns the fsspec file system of a path or address, and the path as this file system names it."""
    if is_local(root):  # not asked of fsspec, for which `::` in a path joins two file systems
        return LocalFileSystem(), str(Path(root).absolute())
    filesystem, top = fsspec.core.url_to_fs(root)
    return filesystem, str(top)


@dataclass(frozen=True)
class Lake:
    """The files of one profile. Paths are relative to `root`, with forward slashes."""

    root: str

    @property
    def filesystem(self) -> AbstractFileSystem:
        """The fsspec file system of the root. fsspec keeps one instance per process."""
        return open_root(self.root)[0]

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder on this machine."""
        return is_local(self.root)

    def uri(self, path: str) -> str:
        """Returns the full address of a path inside the lake."""
        return f"{self.root.rstrip('/')}/{path}"

    def local_path(self, path: str) -> Path:
        """Returns a path for programs that need real files, such as a trainer or MLflow.

        Raises:
            ValueError: the lake is a bucket.
        """
        if not self.is_local:
            raise ValueError(
                f"{self.uri(path)} is in a bucket, but this step needs a local file. Choose a local home."
            )
        return Path(self.uri(path)).resolve()

    def exists(self, path: str) -> bool:
        """Returns whether a file exists."""
        return self.filesystem.exists(self.uri(path))

    def size(self, path: str) -> int:
        """Returns the size of a file in bytes."""
        return int(self.filesystem.size(self.uri(path)) or 0)

    def size_or_none(self, path: str) -> int | None:
        """Returns the size of a file in bytes; None if it does not exist."""
        try:
            return self.size(path)
        except FileNotFoundError:
            return None

    def read_bytes(self, path: str) -> bytes:
        """Returns the content of a file."""
        return bytes(self.filesystem.cat_file(self.uri(path)))  # pyright: ignore[reportArgumentType]

    def write_bytes(self, path: str, data: bytes) -> None:
        """Writes a file atomically: on a disk by a rename, in a bucket in one PUT."""
        if not self.is_local:
            self.filesystem.pipe_file(self.uri(path), data)
            return
        write_atomically(Path(self.uri(path)), data)

    def move(self, source: str, target: str) -> None:
        """Moves a file inside the lake, replacing the target."""
        if not self.is_local:
            self.filesystem.mv(self.uri(source), self.uri(target))
            return
        destination = Path(self.uri(target))
        destination.parent.mkdir(parents=True, exist_ok=True)
        Path(self.uri(source)).replace(destination)

    def set_aside(self, path: str) -> None:
        """Moves a file to `set_aside/`, from where only `emberline gc --delete` deletes it."""
        number = sum(1 for _ in self.list(f"{SET_ASIDE}/{path}"))
        self.move(path, f"{SET_ASIDE}/{path}/{number}")

    def delete(self, path: str) -> None:
        """Deletes a file if it exists."""
        if self.exists(path):
            self.filesystem.rm(self.uri(path))

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Returns the files below a folder as sorted paths inside the lake."""
        top = self.uri(folder)
        if not self.filesystem.exists(top):
            return []
        prefix = open_root(self.root)[1].rstrip("/") + "/"
        paths = (str(name).removeprefix(prefix) for name in self.filesystem.find(top))
        return sorted(path for path in paths if path.endswith(suffix))

    def read_json(self, path: str) -> Any:
        """Returns the value of a JSON file."""
        return json.loads(self.read_bytes(path))

    def write_json(self, path: str, value: Any) -> None:
        """Writes a JSON file with sorted keys, so that equal values give equal bytes."""
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        self.write_bytes(path, text.encode())

    def write_checked(self, path: str, record: Mapping[str, Any]) -> None:
        """Writes a JSON record with a checksum of itself, for state that no manifest lists."""
        self.write_json(path, {**record, CHECKSUM: digest(dict(record))})

    def read_checked(self, path: str) -> dict[str, Any] | None:
        """Returns a record of `write_checked`; None if it does not exist, or is truncated or edited."""
        try:
            record = dict(self.read_json(path))
            checksum = record.pop(CHECKSUM)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return record if checksum == digest(record) else None

    def read_table(self, path: str, schema: Mapping[str, pl.DataType] | None = None) -> pl.DataFrame:
        """Returns a Parquet table, after checking it against `schema` if one is given.

        Raises:
            SchemaError: the table's columns are not those of `schema`.
        """
        frame = pl.read_parquet(io.BytesIO(self.read_bytes(path)))
        return frame if schema is None else conform(frame, schema, path)

    def read_tables(self, folder: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """Returns all tables of a folder as one, in the order of their paths."""
        frames = [self.read_table(path, schema) for path in self.list(folder, ".parquet")]
        return pl.concat(frames) if frames else pl.DataFrame(schema=dict(schema))

    def write_table(
        self, path: str, frame: pl.DataFrame, schema: Mapping[str, pl.DataType] | None = None
    ) -> None:
        """Writes a Parquet table. Equal rows give equal bytes.

        Raises:
            SchemaError: the table's columns are not those of `schema`.
        """
        buffer = io.BytesIO()
        checked = frame if schema is None else conform(frame, schema, path)
        checked.write_parquet(buffer, compression="zstd")
        self.write_bytes(path, buffer.getvalue())
