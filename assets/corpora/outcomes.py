"""What came of each image of a batch when it was first read, so that no image is read or decoded twice."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from assets.corpora.probe import DECODER_VERSION
from assets.lake.lake import Lake
from assets.lake.schemas import SchemaError

OUTCOMES: Mapping[str, pl.DataType] = {
    "path": pl.String(),  # of the image, inside its corpus
    "version": pl.String(),  # of its unit, as in UNITS
    "bytes": pl.Int64(),
    "content": pl.String(),  # content id of its bytes
    "error": pl.String(),  # why it is unreadable, else null
    "shard": pl.String(),  # null if it is unreadable
    "decoder": pl.Int64(),  # DECODER_VERSION
}


class Outcome(NamedTuple):
    """One row of OUTCOMES without its path."""

    version: str
    bytes: int
    content: str
    error: str | None
    shard: str | None


def outcomes_path(batch: str) -> str:
    """Returns the path of the OUTCOMES of a batch."""
    return f"probes/{batch}.parquet"


def read_outcomes(lake: Lake, batch: str) -> Mapping[str, Outcome]:
    """Returns the outcomes of a batch by path; none if they are missing, damaged or of another decoder."""
    try:
        table = lake.read_table(outcomes_path(batch), OUTCOMES)
    except (FileNotFoundError, SchemaError, pl.exceptions.PolarsError):
        return {}
    rows = table.filter(decoder=DECODER_VERSION).drop("decoder")
    return {path: Outcome(*values) for path, *values in rows.iter_rows()}
