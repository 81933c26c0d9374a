"""Ingest: turns the units of a batch into records, image shards, samples and texts."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

import polars as pl

from assets.corpora.batches import IngestBatch, raw_tables, read_left_out
from assets.corpora.chunk import PARTS, Chunk, ingest_chunk
from assets.corpora.config import CorporaConfig
from assets.corpora.outcomes import outcomes_path, units_path
from assets.corpora.probe import NOT_MEASURED
from assets.corpora.readers.reader import CorpusError, Unit
from assets.engine.pool import map_shards
from assets.lake.contact_sheet import MAX_COLUMNS, contact_sheet
from assets.lake.images import iterate_shard
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from models.common.fields import limits_of
from models.common.pixels import decode
from models.common.progress import Progress

PREVIEW_ROWS = 4


class NoReadableImageError(CorpusError):
    """No file of any corpus is a readable image.

    Attributes:
        files: how many files there are.
    """

    def __init__(self, records: pl.DataFrame) -> None:
        self.files = records.height
        reasons = [f"{path}: {error}" for path, error in records.select("path", "error").head(3).iter_rows()]
        super().__init__(
            f"None of the {self.files} files of the corpora is a readable image ({'; '.join(reasons)}). Add "
            "JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP files."
        )


def ingest_batch(
    lake: Lake, config: CorporaConfig, batch: IngestBatch, *, workers: int, progress: Progress
) -> StepOutput:
    """Writes the records, image shards, samples and texts of one batch.

    Every image is first decoded in a sandboxed process. One that does not decode keeps its record, with the
    reason and without an image, and its sample is left out.

    Args:
        lake: holds the batch.
        config: the corpora, sizes and limits.
        batch: what to ingest.
        workers: number of processes, which changes no result.
        progress: called for each chunk of about one shard.
    """
    corpus = next(corpus for corpus in config.corpora if corpus.name == batch.corpus)
    work = partial(ingest_chunk, lake, config, corpus, batch.name)
    what = f"ingesting {batch.name}"
    folders = map_shards(work, list(chunks_of(batch, config)), workers=workers, what=what, progress=progress)
    parts = {name: _joined(lake, folders, name) for name in PARTS}
    outcomes = parts["outcomes"].unique("path", keep="first", maintain_order=True)
    paths = (f"records/{batch.name}.parquet", *raw_tables(batch.name))
    keys = ("record_id", "sample_id", "text_id")
    for path, key, (name, schema) in zip(paths, keys, islice(PARTS.items(), 3), strict=True):
        lake.write_table(path, parts[name].unique(key, keep="first", maintain_order=True), schema)
    lake.write_table(outcomes_path(batch.name), outcomes, PARTS["outcomes"])
    lake.write_table(units_path(batch.name), parts["units"], PARTS["units"])
    for path in lake.list(f"ingesting/{batch.name}"):
        lake.delete(path)
    shards = outcomes["shard"].drop_nulls().unique().sort().to_list()
    records = lake.read_table(paths[0], RECORDS)
    unreadable = [
        {"path": path, "reason": error}
        for path, error in records.drop_nulls("error").select("path", "error").iter_rows()
    ]
    facts = {
        "readable": records.height - len(unreadable),
        "unreadable": unreadable,
        "gone": int(batch.units["gone"].sum()),
        "left_out": read_left_out(lake, batch.corpus)["left_out"],
    }
    return StepOutput(
        (*shards, *paths),
        records.height,
        facts,
        _preview(lake, batch, shards),
        stopped_by=_stopped_by(unreadable, config),
    )


def chunks_of(batch: IngestBatch, config: CorporaConfig) -> Iterator[Chunk]:
    """Yields the chunks of a batch: consecutive units whose files together fill about one shard.

    Units that have left count, so that the others stay in their chunks and shards. Those of a chunk that has
    none any more are left out.
    """
    limit, number, size = config.shard_mib * 1024**2, 0, 0
    units: list[Unit] = []
    for *values, gone in batch.units.iter_rows():
        unit = Unit(*values)
        if not gone:
            units.append(unit)
        size += unit.size
        if size >= limit:
            if units:
                yield Chunk(number, tuple(units))
            number, size, units = number + 1, 0, []
    if units:
        yield Chunk(number, tuple(units))


def _joined(lake: Lake, folders: Sequence[str], name: str) -> pl.DataFrame:
    tables = [lake.read_table(f"{folder}/{name}.parquet", PARTS[name]) for folder in folders]
    return pl.concat([pl.DataFrame(schema=dict(PARTS[name])), *tables])


def _stopped_by(unreadable: Sequence[Mapping[str, object]], config: CorporaConfig) -> dict[str, float]:
    """Returns the limits that stopped a file of the batch, with their values."""
    reasons = [str(row["reason"]) for row in unreadable]
    return {
        f"corpora.probe.{name}": value
        for name, value in limits_of(config.probe).items()
        if any(reason.startswith(f"{NOT_MEASURED} {name}:") for reason in reasons)
    }


def summarize_samples(lake: Lake, batch: str) -> StepOutput:
    """Checks the tables of a batch's samples and counts them by task, category and split.

    Raises:
        SchemaError: a table does not have the columns and types of its schema.
    """
    paths = raw_tables(batch)
    samples, texts = lake.read_table(paths[0], SAMPLES), lake.read_table(paths[1], TEXTS)
    by = ("task", "category", "subcategory", "split")
    counts = samples.group_by(by).len().sort(by)
    facts = {"samples": counts.to_dicts(), "texts": texts.height}
    return StepOutput(paths, samples.height, facts)


def _preview(lake: Lake, batch: IngestBatch, shards: Sequence[str]) -> bytes | None:
    count = PREVIEW_ROWS * MAX_COLUMNS
    stored = (data for shard in shards for _, data in iterate_shard(lake, shard))
    images = [decode(data, 96) for data in islice(stored, count)]
    rows = [images[start : start + MAX_COLUMNS] for start in range(0, len(images), MAX_COLUMNS)]
    return contact_sheet([(batch.name if not n else " ", row) for n, row in enumerate(rows)])
