"""Measures of pairs: one row a sample, kept like the measures of images, shard by shard."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath

import polars as pl

from assets.engine.measure import Row
from assets.engine.pool import map_shards
from assets.lake.ids import digest
from assets.lake.lake import Lake
from models.common.progress import Progress


@dataclass(frozen=True)
class PairMeasure:
    """A measure of samples as data: its tables have `id`, the columns named here and `error`.

    Attributes:
        name: also the folder of its tables.
        version: raised when a value would change; a learned measure uses the digest of its weights.
        columns: names and types of what it measures.
        run: from some samples to one row each; a row `{"error": reason}` is allowed.
    """

    name: str
    version: str
    columns: Mapping[str, pl.DataType]
    run: Callable[[pl.DataFrame], list[Row]]

    @property
    def folder(self) -> str:
        """Where its tables lie."""
        return f"measures/{self.name}@{self.version}"


@dataclass(frozen=True)
class PairShard:
    """Samples whose pictures lie together; other samples make it another shard by name."""

    name: str
    samples: pl.DataFrame


def pair_shards(samples: pl.DataFrame, shard_of: Mapping[str, str]) -> list[PairShard]:
    """Returns samples by the later of the two image shards that hold their pictures.

    So an edit and its inversion come together, and pictures made from others are read once.

    Args:
        samples: sample_id, source_id, target_id and whatever else a measure reads.
        shard_of: the image shard of each image.
    """
    sides = (
        pl.col(name).replace_strict(dict(shard_of), return_dtype=pl.String)
        for name in ("source_id", "target_id")
    )
    placed = samples.sort("sample_id").with_columns(shard=pl.max_horizontal(*sides))
    shards = []
    for (shard,), part in sorted(placed.partition_by("shard", as_dict=True).items()):
        rows = part.drop("shard")
        place = PurePosixPath(str(shard)).with_suffix("").as_posix().removeprefix("images/")
        name = f"{place.replace('/', '-')}-{digest(rows.to_dicts())[:8]}"
        shards.append(PairShard(name, rows))
    return shards


def measure_pairs(
    lake: Lake, measure: PairMeasure, shards: Sequence[PairShard], *, workers: int, progress: Progress
) -> pl.DataFrame:
    """Measures what is missing; returns one row a sample: `id`, the measure's columns and `error`."""
    work = partial(measure_pair_shard, lake, measure)
    what = f"measuring pairs ({measure.name})"
    paths = map_shards(work, shards, workers=workers, what=what, progress=progress)
    schema = {"id": pl.String(), **measure.columns, "error": pl.String()}
    tables = [lake.read_table(path, schema) for path in paths]
    return pl.concat(tables).sort("id") if tables else pl.DataFrame(schema=schema)


def measure_pair_shard(lake: Lake, measure: PairMeasure, shard: PairShard) -> str:
    """Measures one shard unless its ledger entry, written last, says that it is done; returns its table."""
    table, entry = (f"{measure.folder}/{shard.name}.{suffix}" for suffix in ("parquet", "json"))
    if lake.exists(entry):
        return table
    start = time.monotonic()
    rows = measure.run(shard.samples)
    ids = shard.samples["sample_id"]
    schema = {"id": pl.String(), **measure.columns, "error": pl.String()}
    found = [{"id": sample_id, **row} for sample_id, row in zip(ids, rows, strict=True)]
    lake.write_table(table, pl.DataFrame(found, schema=schema))
    lake.write_json(
        entry,
        {
            "measure": measure.name,
            "version": measure.version,
            "shard": shard.name,
            "rows": len(found),
            "seconds": round(time.monotonic() - start, 3),
            "measured_at": datetime.now(UTC).isoformat(),
        },
    )
    return table
