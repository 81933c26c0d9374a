"""Metadata files of image folders, by the rules of Hugging Face's imagefolder, in any subfolder.

A `metadata.jsonl`, `metadata.csv` or `metadata.parquet` describes the files of its own folder and below it.
Each row names a file in `file_name`, or several in columns that end in `_file_name`.
"""

import csv
import io
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from assets.corpora.readers.files import CorpusFile, read_corpus_file
from assets.corpora.readers.reader import LeftOut

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
FILE_NAME, FILE_NAMES = "file_name", "_file_name"
MAX_METADATA_BYTES = 4 * 1024**3
"""Larger metadata files are refused; put such corpora into Parquet files with their images."""

csv.field_size_limit(16 * 1024**2)

Row = Mapping[str, Any]


class MetadataRow(NamedTuple):
    """A row of a metadata file: where it stands, its folder inside the corpus, and its values."""

    where: str
    folder: str
    values: Row

    def path(self, name: str) -> str | None:
        """Returns the path inside the corpus of a file that the row names; None if it leads out of it."""
        path = posixpath.normpath(posixpath.join(self.folder, name.replace("\\", "/")))
        return None if path.startswith(("../", "/")) or path in ("..", ".") else path


def is_metadata(path: str) -> bool:
    """Returns whether a file of a corpus is a metadata file."""
    return path.endswith(METADATA_NAMES) and path.rpartition("/")[2] in METADATA_NAMES


def read_metadata(root: str, files: Iterable[CorpusFile]) -> tuple[list[MetadataRow], list[LeftOut]]:
    """Returns the rows of all metadata files, those of deeper folders last, and what cannot be used.

    A broken row costs itself, a broken file its own rows.

    Args:
        root: the corpus.
        files: its files.
    """
    rows: list[MetadataRow] = []
    left_out: list[LeftOut] = []
    found = sorted((file.path.count("/"), file.path, file.size) for file in files if is_metadata(file.path))
    for _, path, size in found:
        if size > MAX_METADATA_BYTES:
            left_out.append(LeftOut(path, f"larger than {MAX_METADATA_BYTES // 1024**3} GiB"))
            continue
        try:
            for where, values in _rows(path, read_corpus_file(root, path)):
                if isinstance(values, str):
                    left_out.append(LeftOut(where, values))
                else:
                    rows.append(MetadataRow(where, posixpath.dirname(path), values))
        except (OSError, ValueError, csv.Error, pl.exceptions.PolarsError) as error:
            left_out.append(LeftOut(path, f"{type(error).__name__}: {error}"[:300]))
    return rows, left_out


def named_files(row: MetadataRow) -> dict[str, str]:
    """Returns the names of files that a row gives, by column."""
    return {
        column: value
        for column, value in row.values.items()
        if isinstance(value, str) and value and (column == FILE_NAME or column.endswith(FILE_NAMES))
    }


def json_rows(path: str, data: bytes) -> Iterator[tuple[str, Row | str]]:
    """Yields each line of JSON lines as (where, values), or (where, reason) if it is no JSON object."""
    text = data.decode("utf-8-sig", errors="replace")
    # Not splitlines(): texts may hold other line separators of Unicode, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", _object(line)


def _rows(path: str, data: bytes) -> Iterator[tuple[str, Row | str]]:
    if path.endswith(".jsonl"):
        yield from json_rows(path, data)
        return
    if path.endswith(".csv"):
        lines = csv.DictReader(io.StringIO(data.decode("utf-8-sig", errors="replace"), newline=""))
        for line in lines:
            extra = line.pop(None, None)  # pyright: ignore[reportArgumentType, reportCallIssue] csv's own key
            reason = "more values than columns" if extra else None
            yield f"{path}:{lines.line_num}", reason or {k: v for k, v in line.items() if v not in (None, "")}
        return
    frame = pl.read_parquet(io.BytesIO(data))
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield f"{path}:{number}", {name: value for name, value in row.items() if value is not None}


def _object(line: str) -> Row | str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error)
    return value if isinstance(value, dict) else "a line must be a JSON object such as {...}"
