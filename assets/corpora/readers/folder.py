"""The folder reader: every file is an image, with what a metadata file says about it (imagefolder)."""

import json
from collections.abc import Iterator

from assets.corpora.readers.columns import PLAIN, json_row, sample_of_row
from assets.corpora.readers.files import file_image, list_files
from assets.corpora.readers.metadata import FILE_NAME, MetadataRow, is_metadata, read_metadata
from assets.corpora.readers.reader import CorpusSource, LeftOut, Listing, RawSample, Unit, units_table


class FolderReader:
    """Single images in a folder, with `metadata.jsonl`, `.csv` or `.parquet` in any of its folders."""

    def list_units(self, source: CorpusSource) -> Listing:
        """Returns a unit for each file; see `Reader`."""
        files, left_out = list_files(source.root)
        rows, broken = read_metadata(source.root, files)
        images = [file for file in files if not is_metadata(file.path)]
        known = {file.path for file in images}
        row_of: dict[str, MetadataRow] = {}
        unused = [*left_out, *broken]
        for row in rows:
            path = _path(row)
            reason = path if isinstance(path, LeftOut) else _problem(row, source)
            if isinstance(path, LeftOut):
                unused.append(path)
            elif path not in known:
                unused.append(LeftOut(row.where, f"names {path}, which does not exist"))
            elif reason is not None:
                unused.append(LeftOut(row.where, str(reason)))
            else:
                row_of[path] = row
        units = [
            Unit(*file, json_row(row_of[file.path].values) if file.path in row_of else None)
            for file in images
        ]
        return Listing(units_table(units), unused)

    def read_unit(self, source: CorpusSource, unit: Unit) -> Iterator[RawSample | LeftOut]:
        """Yields the text-to-image sample of one file; see `Reader`."""
        columns = source.columns or PLAIN
        row = json.loads(unit.row) if unit.row is not None else {}
        image = file_image(source.root, unit.unit, unit.size)
        sample = sample_of_row({**row, columns.target: image}, columns, lambda value, _: value)
        yield LeftOut(unit.unit, sample) if isinstance(sample, str) else sample


def _path(row: MetadataRow) -> str | LeftOut:
    name = row.values.get(FILE_NAME)
    if not isinstance(name, str) or not name:
        return LeftOut(row.where, f"{FILE_NAME}: missing, or no text")
    path = row.path(name)
    return path if path is not None else LeftOut(row.where, f"{FILE_NAME}: {name} leads out of the corpus")


def _problem(row: MetadataRow, source: CorpusSource) -> str | None:
    columns = source.columns or PLAIN
    sample = sample_of_row({**row.values, columns.target: True}, columns, lambda *_: file_image("", "", 0))
    return sample if isinstance(sample, str) else None
