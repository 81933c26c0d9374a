"""Compares the tables of a lake with their schemas."""

import io
from collections.abc import Iterable, Mapping

import polars as pl

from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS, VERDICTS

FOLDERS: Mapping[str, Mapping[str, pl.DataType]] = {
    "records": RECORDS,
    "samples": SAMPLES,
    "texts": TEXTS,
    "verdicts": VERDICTS,
}


def schema_differences(lake: Lake, paths: Iterable[str]) -> dict[str, str]:
    """Returns how the columns of tables differ from their schemas, by path of the table.

    Args:
        lake: holds the tables.
        paths: files that a step hands on; those that are no table with a schema are left out.
    """
    differences = {}
    for path in paths:
        schema = FOLDERS.get(path.partition("/")[0])
        if schema is None:
            continue
        columns = pl.read_parquet_schema(io.BytesIO(lake.read_bytes(path)))
        wrong = [name for name in {**schema, **columns} if columns.get(name) != schema.get(name)]
        if wrong:
            differences[path] = ", ".join(
                f"{name}: {columns.get(name)}, not {schema.get(name)}" for name in wrong
            )
    return differences
