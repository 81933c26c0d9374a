"""The reader of pairs in a folder: `*_source` and `*_target`, or the columns of a metadata file."""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assets.corpora.readers.columns import PAIRS, json_row, sample_of_row
from assets.corpora.readers.files import CorpusFile, file_image, is_image_name, list_files, read_corpus_file
from assets.corpora.readers.metadata import FILE_NAME, FILE_NAMES, MetadataRow, is_metadata, read_metadata
from assets.corpora.readers.reader import (
    CorpusSource,
    LeftOut,
    Listing,
    RawImage,
    RawSample,
    Unit,
    units_table,
)

ROLE = re.compile(r"(?P<stem>.+)[_-](?P<role>source|target)(?:[_-]?(?P<number>\d+))?")
MAX_INSTRUCTION_BYTES = 64 * 1024

Files = Mapping[str, CorpusFile]


class PairsReader:
    """Edits whose images are files.

    By name, `cat_source.png` and `cat_target.png` are a pair; `cat_source_1.png`, `cat_source_2.png` are two
    sources in this order, and `cat.txt` is the instruction. A row of a metadata file names the files of a
    pair in the columns `source` and `target` (or `source_file_name`, `target_file_name`, or those that the
    profile names), or describes the pair of the target that it names in `file_name`.
    """

    def list_units(self, source: CorpusSource) -> Listing:
        """Returns a unit for each pair; see `Reader`."""
        listed, left_out = list_files(source.root)
        files = {file.path: file for file in listed if not is_metadata(file.path)}
        rows, broken = read_metadata(source.root, listed)
        unused = [*left_out, *broken]
        pairs: dict[str, dict[str, Any]] = dict(_named_pairs(files))
        for row in rows:
            problem = _add_row(pairs, row, files, source)
            if problem is not None:
                unused.append(LeftOut(row.where, problem))
        units = []
        for target, pair in pairs.items():
            if not pair["sources"]:
                unused.append(LeftOut(target, "a target without a source"))
                continue
            units.append(_unit(target, pair, files))
        used = {
            path for pair in pairs.values() for path in (*pair["sources"], pair["target"], pair.get("text"))
        }
        unused += [LeftOut(path, "in no pair") for path in files if path not in used and is_image_name(path)]
        return Listing(units_table(units), sorted(unused))

    def read_unit(self, source: CorpusSource, unit: Unit) -> Iterator[RawSample | LeftOut]:
        """Yields the edit of a pair; see `Reader`."""
        columns = source.columns or PAIRS
        pair = json.loads(unit.row or "{}")
        images = {path: file_image(source.root, path, size) for path, size in pair["files"].items()}
        sources: list[RawImage] = [images[path] for path in pair["sources"]]
        row = dict(pair["values"])
        if pair.get("text") and columns.texts:
            row[columns.texts[0]] = _instruction(source.root, pair["text"], images[pair["text"]].size)
        # All sources of a pair by name belong to one column; a metadata file has one for each.
        of_column = [sources] if len(columns.sources) == 1 else sources
        row |= dict(zip(columns.sources, of_column, strict=False))
        row[columns.target] = images[pair["target"]]
        sample = sample_of_row(row, columns, lambda value, _: value)
        yield LeftOut(unit.unit, sample) if isinstance(sample, str) else sample


def _named_pairs(files: Files) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the pairs by their names: the path of the target, and its sources and instruction."""
    by_stem: dict[str, dict[tuple[str, int], str]] = {}
    for path in files:
        folder, name = posixpath.split(path)
        match = ROLE.fullmatch(posixpath.splitext(name)[0])
        if match is not None and is_image_name(name):
            stem = posixpath.join(folder, match["stem"])
            by_stem.setdefault(stem, {})[match["role"], int(match["number"] or 0)] = path
    for stem, roles in by_stem.items():
        sources = [path for (role, _), path in sorted(roles.items()) if role == "source"]
        text = f"{stem}.txt" if f"{stem}.txt" in files else None
        for (role, _), path in roles.items():
            if role == "target":
                yield path, {"target": path, "sources": sources, "values": {}, "text": text}


def _add_row(
    pairs: dict[str, dict[str, Any]], row: MetadataRow, files: Files, source: CorpusSource
) -> str | None:
    """Adds the pair of a row, or its values to the pair that it names; returns what is wrong with it."""
    columns = source.columns or PAIRS
    target = _file(row, columns.target, files)
    sources = [_file(row, column, files) for column in columns.sources]
    named = row.values.get(FILE_NAME)
    if target is None and isinstance(named, str):
        path = row.path(named)
        if path not in pairs:
            return f"{FILE_NAME}: {named} is the target of no pair"
        pairs[path]["values"] = dict(row.values)
        return None
    missing = [
        column
        for column, path in zip((columns.target, *columns.sources), (target, *sources), strict=True)
        if path is None
    ]
    if missing or target is None:
        return f"{', '.join(missing)}: no file of the corpus"
    unit = target if target not in pairs or not pairs[target]["values"] else row.where
    pairs[unit] = {"target": target, "sources": sources, "values": dict(row.values)}
    return None


def _file(row: MetadataRow, column: str, files: Files) -> str | None:
    value = row.values.get(column) or row.values.get(f"{column}{FILE_NAMES}")
    path = row.path(value) if isinstance(value, str) else None
    return path if path in files else None


def _unit(name: str, pair: Mapping[str, Any], files: Files) -> Unit:
    paths: Iterable[str] = [*pair["sources"], pair["target"], *filter(None, [pair.get("text")])]
    own = [files[path] for path in dict.fromkeys(paths)]
    row = {**pair, "files": {file.path: file.size for file in own}}
    return Unit(name, sum(file.size for file in own), " ".join(file.version for file in own), json_row(row))


def _instruction(root: str, path: str, size: int) -> str:
    if size > MAX_INSTRUCTION_BYTES:
        raise OSError(f"{path} has {size:,} bytes; an instruction has at most {MAX_INSTRUCTION_BYTES:,}")
    return read_corpus_file(root, path).decode("utf-8-sig", errors="replace")
