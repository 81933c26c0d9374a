"""Measures of images: pure functions from pixels to columns, stored by image, measure and version."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl

from assets.engine.pool import map_shards
from assets.lake.ids import digest
from assets.lake.images import iterate_shard
from assets.lake.lake import Lake
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode, shrink
from models.common.progress import Progress

DECODED_LONG_SIDE = 1024
"""Longer side in pixels. All measures start from the same decoded image, so a value does not depend on which
other measures run."""

BATCH_SIZE = 32

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ImageMeasure:
    """A measure of single images. Its tables have `id`, the columns named here and `error`.

    Attributes:
        name: also the folder of its tables, and the prefix of its columns, as in `photometric.sharpness`.
        version: changes whenever a value would change; a learned measure uses the digest of its weights.
        long_side: longer side in pixels of the images passed to `run` (never enlarged); None passes the bytes
            of the files instead, whether they decode or not.
        columns: names and types of the measured columns.
        run: takes a batch of (H, W, 3) uint8 images, or of files, and returns one row for each, which may be
            `{"error": reason}`.
    """

    name: str
    version: str
    long_side: int | None
    columns: Mapping[str, pl.DataType]
    run: Callable[[Sequence[Any]], list[Row]]

    @property
    def tables(self) -> str:
        """The pattern of its tables, of every version, as in `measures/pdq@*`."""
        return f"measures/{self.name}@*"

    @property
    def folder(self) -> str:
        """The folder of its tables inside the lake."""
        return f"measures/{self.name}@{self.version}"


def one_by_one(measure_one: Callable[[Any], Row]) -> Callable[[Sequence[Any]], list[Row]]:
    """Returns a batch function that calls `measure_one` for each image; an exception becomes an error row."""
    return partial(_run_each, measure_one)


def measure_shards(
    lake: Lake, shards: Sequence[str], measures: Sequence[ImageMeasure], *, workers: int, progress: Progress
) -> list[str]:
    """Measures the shards that have no result yet; returns the paths of the measure tables of all shards."""
    work = partial(measure_shard, lake, measures)
    tables = map_shards(work, shards, workers=workers, what="measuring images", progress=progress)
    return [path for paths in tables for path in paths]


def measure_shard(lake: Lake, measures: Sequence[ImageMeasure], shard: str) -> list[str]:
    """Measures one shard and returns the paths of its measure tables.

    Each image is decoded once for all measures that have no result for the shard. A table is complete when
    its ledger entry, a JSON file beside it, exists; the table itself may have been lost since.
    """
    missing = [
        measure
        for measure in measures
        if not (lake.exists(_entry_path(measure, shard)) and lake.exists(_table_path(measure, shard)))
    ]
    rows: dict[str, list[dict[str, Any]]] = {measure.name: [] for measure in missing}
    seconds = dict.fromkeys(rows, 0.0)
    for batch in _batches(iterate_shard(lake, shard) if missing else iter(())):
        decoded = [_decode_or_error(data) for _, data in batch]
        for measure in missing:
            start = time.monotonic()
            results = _measure_batch(measure, batch, decoded)
            for (image_id, _), row in zip(batch, results, strict=True):
                rows[measure.name].append({"id": image_id, **row})
            seconds[measure.name] += time.monotonic() - start
    for measure in missing:
        schema = {"id": pl.String(), **measure.columns, "error": pl.String()}
        lake.write_table(_table_path(measure, shard), pl.DataFrame(rows[measure.name], schema=schema))
        entry = {"measure": measure.name, "version": measure.version, "shard": shard}
        entry |= {"rows": len(rows[measure.name]), "seconds": round(seconds[measure.name], 3)}
        entry["measured_at"] = datetime.now(UTC).isoformat()
        lake.write_json(_entry_path(measure, shard), entry)
    return [_table_path(measure, shard) for measure in measures]


def read_measures(lake: Lake, measures: Sequence[ImageMeasure], shards: Sequence[str]) -> pl.DataFrame:
    """Returns one row for each image: `id`, and a column `measure.column` for each column of each measure.

    Where a measure failed, its columns are null and `measure.error` holds the reason.
    """
    joined: pl.DataFrame | None = None
    for measure in measures:
        schema = {"id": pl.String(), **measure.columns, "error": pl.String()}
        frames = [pl.DataFrame(schema=schema)]
        frames += [lake.read_table(_table_path(measure, shard)) for shard in shards]
        new_names = {column: f"{measure.name}.{column}" for column in [*measure.columns, "error"]}
        table = pl.concat(frames).unique("id", keep="first", maintain_order=True).rename(new_names)
        joined = table if joined is None else joined.join(table, on="id", how="full", coalesce=True)
    return pl.DataFrame(schema={"id": pl.String()}) if joined is None else joined.sort("id")


def measures_version(measures: Sequence[ImageMeasure]) -> str:
    """Returns a digest of names and versions; it changes when a measure is added or gets a new version."""
    return digest([[measure.name, measure.version] for measure in measures])


def read_ledger(lake: Lake) -> pl.DataFrame:
    """Returns the ledger: when each measure, in each version, measured each shard."""
    entries = [lake.read_json(path) for path in lake.list("measures", ".json")]
    schema = {name: pl.String() for name in ("measure", "version", "shard", "measured_at")}
    return pl.DataFrame(entries, schema={**schema, "rows": pl.Int64(), "seconds": pl.Float64()})


def _run_each(measure_one: Callable[[Any], Row], images: Sequence[Any]) -> list[Row]:
    rows: list[Row] = []
    for image in images:
        try:
            rows.append(measure_one(image))
        except Exception as error:  # noqa: BLE001 a malformed image must not stop the shard
            rows.append({"error": f"{type(error).__name__}: {error}"})
    return rows


def _measure_batch(
    measure: ImageMeasure,
    batch: Sequence[tuple[str, bytes]],
    decoded: Sequence[np.ndarray | UnreadableImageError],
) -> Iterator[Row]:
    if measure.long_side is None:
        yield from measure.run([data for _, data in batch])
        return
    images = [shrink(image, measure.long_side) for image in decoded if isinstance(image, np.ndarray)]
    rows = iter(measure.run(images))
    for image in decoded:
        yield {"error": str(image)} if isinstance(image, UnreadableImageError) else next(rows)


def _decode_or_error(data: bytes) -> np.ndarray | UnreadableImageError:
    try:
        return decode(data, DECODED_LONG_SIDE)
    except UnreadableImageError as error:
        return error


def _batches(images: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    while batch := list(islice(images, BATCH_SIZE)):
        yield batch


def _table_path(measure: ImageMeasure, shard: str) -> str:
    return f"{measure.folder}/{_shard_name(shard)}.parquet"


def _entry_path(measure: ImageMeasure, shard: str) -> str:
    return f"{measure.folder}/{_shard_name(shard)}.json"


def _shard_name(shard: str) -> str:
    return PurePosixPath(shard).with_suffix("").as_posix().removeprefix("images/").replace("/", "-")
