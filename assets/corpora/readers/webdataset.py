"""The reader of WebDataset tar files: members that share a key are one sample."""

import json
import posixpath
import re
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Any

from assets.corpora.readers.columns import PLAIN, sample_of_row
from assets.corpora.readers.files import is_image_name, list_containers
from assets.corpora.readers.parquet import split_of_name
from assets.corpora.readers.reader import (
    CorpusSource,
    LeftOut,
    Listing,
    RawImage,
    RawSample,
    Unit,
    UnreadableUnitError,
)
from assets.lake.lake import open_root

SUFFIXES = (".tar", ".tar.gz", ".tgz")
TEXT_MEMBERS = ("txt", "text", "caption")
NUMBERED = re.compile(r"(?P<name>.+)-(?P<number>\d{1,4})")
MAX_TEXT_BYTES = 1024**2
END_BYTES = 1024
"""A tar file ends with two empty blocks of 512 bytes."""

MAX_IMAGE_BYTES = 1024**3
"""Larger members are passed over. The limits of the profile are at most this."""


class WebDatasetReader:
    """Tar files of members such as `0001.jpg`, `0001.txt`, `0001.json`.

    `0001.source.png` and `0001.target.png` are the columns `source` and `target`, an image without a name of
    its own is `image`, a text `text`. `0001.source-0.png`, `0001.source-1.png` are a list. The keys of a JSON
    member are columns too.
    """

    def list_units(self, source: CorpusSource) -> Listing:
        """Returns a unit for each tar file; see `Reader`."""
        return list_containers(source.root, *SUFFIXES)

    def read_unit(self, source: CorpusSource, unit: Unit) -> Iterator[RawSample | LeftOut]:
        """Yields the sample of each key; see `Reader`."""
        filesystem, top = open_root(source.root)
        path = f"{top.rstrip('/')}/{unit.unit}"
        columns = source.columns or PLAIN
        split = split_of_name(unit.unit)
        with filesystem.open(path, "rb") as stream:
            try:
                # A stream, so that nothing has to be read twice and a member is skipped without seeking.
                with tarfile.open(fileobj=stream, mode="r|*") as tar:  # pyright: ignore[reportArgumentType, reportCallIssue]
                    members = (member for member in tar if member.isfile())
                    for key, group in groupby(members, lambda member: key_of(member.name)[0]):
                        where = f"{unit.unit}#{key}"
                        row = _row(_values(tar, group))
                        sample = sample_of_row(row, columns, partial(_image, where))
                        if isinstance(sample, str):
                            yield LeftOut(where, sample)
                        else:
                            yield sample._replace(split=sample.split or split)
            except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
                raise UnreadableUnitError(f"{type(error).__name__}: {error}"[:300]) from error
        # Python takes a tar file that is cut between two members for a whole one.
        if path.endswith(".tar") and any(filesystem.cat_file(path, start=-END_BYTES)):
            raise UnreadableUnitError("the file lacks the mark of its end, so it may be cut off")


def key_of(name: str) -> tuple[str, str]:
    """Returns key and extension of a member: all before and after the first dot of its file name."""
    folder, file = posixpath.split(name)
    stem, _, extension = file.partition(".")
    return posixpath.join(folder, stem), extension


def _row(values: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the columns of a sample; `source-0`, `source-1`, ... are a list in the column `source`."""
    row: dict[str, Any] = {}
    numbered: dict[str, dict[int, Any]] = {}
    for name, value in values:
        match = NUMBERED.fullmatch(name)
        if match is not None and isinstance(value, bytes):
            numbered.setdefault(match["name"], {})[int(match["number"])] = value
        else:
            row[name] = value
    return row | {name: [parts[number] for number in sorted(parts)] for name, parts in numbered.items()}


def _values(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> Iterator[tuple[str, Any]]:
    for member in members:
        extension = key_of(member.name)[1].lower()
        first, _, last = extension.rpartition(".")
        if is_image_name(f".{extension}"):
            if member.size <= MAX_IMAGE_BYTES:
                yield first or "image", _read(tar, member)
        elif member.size > MAX_TEXT_BYTES:
            continue
        elif extension == "json":
            values = _json(_read(tar, member))
            yield from values.items()
        elif last in TEXT_MEMBERS:
            yield first or "text", _read(tar, member).decode("utf-8-sig", errors="replace")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None, member.name
    return stream.read()


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(data)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _image(where: str, value: Any, name: str) -> RawImage | None:
    return RawImage(f"{where}/{name}", len(value), lambda: value) if isinstance(value, bytes) else None
