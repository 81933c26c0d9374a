"""Measures: pure functions from pixels to columns, run once for each (image, measure, version) and kept."""

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
from models.common.pixels import UnreadableImageError, decode, shrink
from models.common.progress import Progress

DECODED_LONG_SIDE = 1024
"""Every measure starts from this one decoding, so its values don't depend on which others run beside it."""

BATCH = 32

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """A measure as data: its table has `id`, the columns named here and `error`.

    Attributes:
        name: also the folder of its tables and its prefix in rules, as in `photometric.sharpness`.
        version: raised when a value would change; a learned measure uses the digest of its weights.
        long_side: pixels of the longer side that `run` is given (never enlarged), or None where it reads
            the bytes of the files instead, whether they decode or not.
        columns: names and types of what it measures.
        run: from a batch of (H, W, 3) uint8 images, or of files, to one row each; a row
            `{"error": reason}` is allowed.
    """

    name: str
    version: str
    long_side: int | None
    columns: Mapping[str, pl.DataType]
    run: Callable[[Sequence[Any]], list[Row]]

    @property
    def folder(self) -> str:
        """Where its tables lie."""
        return f"measures/{self.name}@{self.version}"


def each(measure_one: Callable[[Any], Row]) -> Callable[[Sequence[Any]], list[Row]]:
    """Returns a batch function that measures one image, or file, at a time; if it fails, the row says why."""
    return partial(_run_each, measure_one)


def measure_shards(
    lake: Lake, shards: Sequence[str], measures: Sequence[Measure], *, workers: int, progress: Progress
) -> list[str]:
    """Measures what is missing in some image shards; returns the paths of all their measure tables."""
    work = partial(measure_shard, lake, measures)
    tables = map_shards(work, shards, workers=workers, what="measuring images", progress=progress)
    return [path for paths in tables for path in paths]


def measure_shard(lake: Lake, measures: Sequence[Measure], shard: str) -> list[str]:
    """Measures one shard: each image is decoded once and handed to every measure that lacks it.

    A table is finished when its ledger entry, a JSON file beside it, exists.
    """
    missing = [measure for measure in measures if not lake.exists(_entry_path(measure, shard))]
    rows: dict[str, list[dict[str, Any]]] = {measure.name: [] for measure in missing}
    seconds = dict.fromkeys(rows, 0.0)
    for batch in _batches(iterate_shard(lake, shard) if missing else iter(())):
        decoded = [_decoded(data) for _, data in batch]
        for measure in missing:
            start = time.monotonic()
            measured = _measured(measure, batch, decoded)
            for (image_id, _), row in zip(batch, measured, strict=True):
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


def read_measures(lake: Lake, measures: Sequence[Measure], shards: Sequence[str]) -> pl.DataFrame:
    """Returns one row an image: `id` and a column `measure.column` for each column of each measure.

    An image that a measure could not read has nulls and `measure.error`.
    """
    joined: pl.DataFrame | None = None
    for measure in measures:
        frames = [lake.read_table(_table_path(measure, shard)) for shard in shards]
        named = {column: f"{measure.name}.{column}" for column in [*measure.columns, "error"]}
        table = pl.concat(frames).unique("id", keep="first", maintain_order=True).rename(named)
        joined = table if joined is None else joined.join(table, on="id", how="full", coalesce=True)
    return pl.DataFrame(schema={"id": pl.String()}) if joined is None else joined.sort("id")


def measures_version(measures: Sequence[Measure]) -> str:
    """Returns a digest of names and versions: what is measured anew when a measure is added or raised."""
    return digest([[measure.name, measure.version] for measure in measures])


def read_ledger(lake: Lake) -> pl.DataFrame:
    """Returns the ledger: one row for each (measure, version, shard) that was ever measured, and when."""
    entries = [lake.read_json(path) for path in lake.list("measures", ".json")]
    schema = {name: pl.String() for name in ("measure", "version", "shard", "measured_at")}
    return pl.DataFrame(entries, schema={**schema, "rows": pl.Int64(), "seconds": pl.Float64()})


def _run_each(measure_one: Callable[[Any], Row], images: Sequence[Any]) -> list[Row]:
    rows: list[Row] = []
    for image in images:
        try:
            rows.append(measure_one(image))
        except Exception as error:  # noqa: BLE001 one hostile image must not end a shard; its row says why
            rows.append({"error": f"{type(error).__name__}: {error}"})
    return rows


def _measured(
    measure: Measure,
    batch: Sequence[tuple[str, bytes]],
    decoded: Sequence[np.ndarray | UnreadableImageError],
) -> Iterator[Row]:
    if measure.long_side is None:
        yield from measure.run([data for _, data in batch])
        return
    images = [shrink(image, measure.long_side) for image in decoded if isinstance(image, np.ndarray)]
    measured = iter(measure.run(images))
    for image in decoded:
        yield {"error": str(image)} if isinstance(image, UnreadableImageError) else next(measured)


def _decoded(data: bytes) -> np.ndarray | UnreadableImageError:
    try:
        return decode(data, DECODED_LONG_SIDE)
    except UnreadableImageError as error:
        return error


def _batches(images: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    while batch := list(islice(images, BATCH)):
        yield batch


def _table_path(measure: Measure, shard: str) -> str:
    return f"{measure.folder}/{_shard_name(shard)}.parquet"


def _entry_path(measure: Measure, shard: str) -> str:
    return f"{measure.folder}/{_shard_name(shard)}.json"


def _shard_name(shard: str) -> str:
    return PurePosixPath(shard).with_suffix("").as_posix().removeprefix("images/").replace("/", "-")
