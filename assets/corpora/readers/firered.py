"""The reader of the FireRed trainer's raw JSON lines, which name image files."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from assets.corpora.readers.columns import FIRERED, json_row, sample_of_row
from assets.corpora.readers.files import CorpusFile, file_image, list_files, read_corpus_file
from assets.corpora.readers.metadata import json_rows
from assets.corpora.readers.reader import (
    CorpusError,
    CorpusSource,
    LeftOut,
    Listing,
    RawImage,
    RawSample,
    RawText,
    Unit,
    units_table,
)
from assets.lake.ids import digest

SUFFIX = ".jsonl"
INVERSE = ("inverse_instruction", "inverse_instruction_cn")
README_TARGET = "target_image"
"""What the trainer's README calls the target, for which its code reads `edit_image`."""


class FireRedReader:
    """Lines with `source_image` (a path, a list, or null), `edit_image` and instructions in two languages.

    Paths are relative to the corpus, or absolute and inside it. A line with inverse instructions is two
    samples.
    """

    def list_units(self, source: CorpusSource) -> Listing:
        """Returns a unit for each line; see `Reader`."""
        listed, left_out = list_files(source.root)
        files = {file.path: file for file in listed}
        lines = [file.path for file in listed if file.path.endswith(SUFFIX)]
        if listed and not lines:
            raise CorpusError(
                f"{source.root} holds no file that ends in {SUFFIX}. Check path and reader of the corpus."
            )
        unused, units = list(left_out), {}
        for path in lines:
            for where, values in json_rows(path, read_corpus_file(source.root, path)):
                if isinstance(values, str):
                    unused.append(LeftOut(where, values))
                    continue
                row = json_row(values)
                name = f"{path}#{digest(row)[:16]}"  # not its number: other lines may move it
                if name in units:
                    unused.append(LeftOut(where, "the same as an earlier line"))
                units[name] = _unit(name, row, _own_files(values, source, files))
        return Listing(units_table(list(units.values())), unused)

    def read_unit(self, source: CorpusSource, unit: Unit) -> Iterator[RawSample | LeftOut]:
        """Yields the edit of a line, and its inversion; see `Reader`."""
        columns = source.columns or FIRERED
        row = json.loads(unit.row or "{}")
        if columns.target not in row and README_TARGET in row:
            row[columns.target] = row[README_TARGET]

        def fetch(value: Any, _name: str) -> RawImage | None:
            inside = path_inside(source.root, value)
            return file_image(source.root, inside) if inside is not None else None

        if all(row.get(column) is None for column in columns.sources):  # text to image
            columns = columns.model_copy(update={"sources": ()})
        sample = sample_of_row(row, columns, fetch)
        if isinstance(sample, str):
            yield LeftOut(unit.unit, f"{sample} inside the corpus")
            return
        yield sample
        inverse = tuple(
            RawText(row[name]) for name in INVERSE if isinstance(row.get(name), str) and row[name]
        )
        if inverse and len(sample.sources) == 1:
            yield sample._replace(target=sample.sources[0], sources=(sample.target,), texts=inverse)


def path_inside(root: str, value: Any) -> str | None:
    """Returns a path as it lies inside the corpus; None for one outside of it and for addresses."""
    if not isinstance(value, str) or not value or "://" in value:
        return None
    path = PurePosixPath(value.replace("\\", "/"))
    if path.is_absolute():
        if not path.is_relative_to(root):
            return None
        path = path.relative_to(root)
    inside = posixpath.normpath(path.as_posix())
    return None if inside.startswith("../") or inside in ("..", ".") else inside


def _own_files(
    values: Mapping[str, Any], source: CorpusSource, files: Mapping[str, CorpusFile]
) -> list[CorpusFile]:
    columns = source.columns or FIRERED
    named: list[Any] = []
    for column in (*columns.sources, columns.target, README_TARGET):
        value = values.get(column)
        named += value if isinstance(value, list) else [value]
    paths = (path_inside(source.root, value) for value in named)
    return [files[path] for path in paths if path is not None and path in files]


def _unit(name: str, row: str, files: list[CorpusFile]) -> Unit:
    return Unit(name, sum(file.size for file in files), " ".join(file.version for file in files), row)
