"""The reader of Parquet files in the Hugging Face convention, where each row holds its images."""

import posixpath
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.corpora.config import ColumnsConfig
from assets.corpora.readers.columns import PLAIN, sample_of_row
from assets.corpora.readers.files import file_image, list_containers
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

SUFFIX = ".parquet"
ROWS_AT_A_TIME = 8
"""Rows in memory. A row of a set of edits has 2 to 5 MB, and groups of rows have up to several GB."""

HELD_OUT_NAMES = ("test", "validation", "val", "dev")
"""Hugging Face names the files of a split after it: `validation-00000-of-00001.parquet`."""


class ParquetReader:
    """Rows with image columns: structs of `bytes` and `path`, lists of such structs, or plain bytes."""

    def list_units(self, source: CorpusSource) -> Listing:
        """Returns a unit for each Parquet file; see `Reader`."""
        return list_containers(source.root, SUFFIX)

    def read_unit(self, source: CorpusSource, unit: Unit) -> Iterator[RawSample | LeftOut]:
        """Yields the sample of each row; see `Reader`."""
        filesystem, top = open_root(source.root)
        columns = source.columns or PLAIN
        fetch = partial(_image, source.root, unit.unit)
        split = split_of_name(unit.unit)
        with filesystem.open(f"{top.rstrip('/')}/{unit.unit}", "rb") as stream:
            number = 0
            try:
                for row in _rows(stream, columns):
                    where = f"{unit.unit}#{number}"
                    number += 1
                    sample = sample_of_row(row, columns, partial(fetch, where))
                    if isinstance(sample, str):
                        yield LeftOut(where, sample)
                    else:
                        yield sample._replace(split=sample.split or split)
            except (pa.ArrowException, ValueError) as error:
                raise UnreadableUnitError(f"{type(error).__name__}: {error}"[:300]) from error


def split_of_name(path: str) -> str | None:
    """Returns `heldout` for a file whose name begins as those of a validation or test split; else None."""
    first = posixpath.basename(path).partition("-")[0].partition(".")[0].lower()
    return "heldout" if first in HELD_OUT_NAMES else None


def _rows(stream: Any, columns: ColumnsConfig) -> Iterator[Mapping[str, Any]]:
    table = pq.ParquetFile(stream, buffer_size=1024**2, pre_buffer=False)
    names = table.schema_arrow.names
    wanted = [name for name in columns.names() if name in names]
    missing = [name for name in (columns.target, *columns.sources) if name not in names]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}; the columns are {', '.join(names)}")
    for batch in table.iter_batches(ROWS_AT_A_TIME, columns=wanted, use_threads=False):
        yield from batch.to_pylist()


def _image(root: str, unit: str, where: str, value: Any, name: str) -> RawImage | None:
    data = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(data, bytes):
        return RawImage(f"{where}/{name}", len(data), lambda: data)
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str):
        return None
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(unit), path))
    return None if inside.startswith(("../", "/")) else file_image(root, inside)
