"""What came of each image of a batch when it was first read, so that no image is read or decoded twice."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from assets.corpora.probe import DECODER_VERSION
from assets.corpora.readers.reader import LeftOut, RawSample
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


UNIT_CONTENTS: Mapping[str, pl.DataType] = {
    "unit": pl.String(),
    "content": pl.String(),  # digest of everything that its samples say besides their pixels
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


def units_path(batch: str) -> str:
    """Returns the path of the UNIT_CONTENTS of a batch."""
    return f"probes/{batch}.units.parquet"


def without_pixels(sample: RawSample | LeftOut) -> Sequence[Any]:
    """Returns a sample with the paths of its images in their place, as JSON."""
    if isinstance(sample, LeftOut):
        return list(sample)
    paths = [image.path for image in (*sample.sources, sample.target)]
    return [paths, [list(text) for text in sample.texts], *sample[3:]]


def read_unit_contents(lake: Lake, batch: str) -> Mapping[str, str]:
    """Returns the digest of each unit of a batch by name; none if the table is missing or damaged."""
    try:
        return dict(lake.read_table(units_path(batch), UNIT_CONTENTS).iter_rows())
    except (FileNotFoundError, SchemaError, pl.exceptions.PolarsError):
        return {}


def read_outcomes(lake: Lake, batch: str) -> Mapping[str, Outcome]:
    """Returns the outcomes of a batch by path; none if they are missing, damaged or of another decoder."""
    try:
        table = lake.read_table(outcomes_path(batch), OUTCOMES)
    except (FileNotFoundError, SchemaError, pl.exceptions.PolarsError):
        return {}
    rows = table.filter(decoder=DECODER_VERSION).drop("decoder")
    return {path: Outcome(*values) for path, *values in rows.iter_rows()}
