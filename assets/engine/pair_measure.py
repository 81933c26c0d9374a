"""Measures of pairs: one row for each sample, stored shard by shard like the measures of images."""

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
    """A measure of samples. Its tables have `id`, the columns named here and `error`.

    Attributes:
        name: also the folder of its tables.
        version: changes whenever a value would change; a learned measure uses the digest of its weights.
        columns: names and types of the measured columns.
        run: takes samples and returns one row for each, which may be `{"error": reason}`.
    """

    name: str
    version: str
    columns: Mapping[str, pl.DataType]
    run: Callable[[pl.DataFrame], list[Row]]

    @property
    def folder(self) -> str:
        """The folder of its tables inside the lake."""
        return f"measures/{self.name}@{self.version}"


@dataclass(frozen=True)
class PairShard:
    """Samples whose images are in the same image shards; the name contains a digest of the samples."""

    name: str
    samples: pl.DataFrame


def pair_shards(samples: pl.DataFrame, shard_of: Mapping[str, str]) -> list[PairShard]:
    """Returns the samples grouped by the later of the two image shards that hold their images.

    An edit and its inversion are in the same group, so each synthesized target is read once.

    Args:
        samples: sample_id, source_id, target_id and the other columns that a measure reads.
        shard_of: the image shard of each image.
    """
    sides = (
        pl.col(name).replace_strict(dict(shard_of), return_dtype=pl.String)
        for name in ("source_id", "target_id")
    )
    sorted_samples = samples.sort("sample_id").with_columns(shard=pl.max_horizontal(*sides))
    shards = []
    for (shard,), part in sorted(sorted_samples.partition_by("shard", as_dict=True).items()):
        rows = part.drop("shard")
        path = PurePosixPath(str(shard)).with_suffix("").as_posix().removeprefix("images/")
        name = f"{path.replace('/', '-')}-{digest(rows.to_dicts())[:8]}"
        shards.append(PairShard(name, rows))
    return shards


def measure_pairs(
    lake: Lake, measure: PairMeasure, shards: Sequence[PairShard], *, workers: int, progress: Progress
) -> pl.DataFrame:
    """Measures the shards that have no result; returns `id`, measured columns and `error` of each sample."""
    work = partial(measure_pair_shard, lake, measure)
    what = f"measuring pairs ({measure.name})"
    paths = map_shards(work, shards, workers=workers, what=what, progress=progress)
    schema = {"id": pl.String(), **measure.columns, "error": pl.String()}
    tables = [lake.read_table(path, schema) for path in paths]
    return pl.concat(tables).sort("id") if tables else pl.DataFrame(schema=schema)


def measure_pair_shard(lake: Lake, measure: PairMeasure, shard: PairShard) -> str:
    """Measures one shard, unless its ledger entry exists, and returns the path of its table.

    The entry is written last, so a shard that was interrupted is measured again.
    """
    table, entry = (f"{measure.folder}/{shard.name}.{suffix}" for suffix in ("parquet", "json"))
    if lake.exists(entry) and lake.exists(table):
        return table
    start = time.monotonic()
    rows = measure.run(shard.samples)
    ids = shard.samples["sample_id"]
    schema = {"id": pl.String(), **measure.columns, "error": pl.String()}
    table_rows = [{"id": sample_id, **row} for sample_id, row in zip(ids, rows, strict=True)]
    lake.write_table(table, pl.DataFrame(table_rows, schema=schema))
    lake.write_json(
        entry,
        {
            "measure": measure.name,
            "version": measure.version,
            "shard": shard.name,
            "rows": len(table_rows),
            "seconds": round(time.monotonic() - start, 3),
            "measured_at": datetime.now(UTC).isoformat(),
        },
    )
    return table
