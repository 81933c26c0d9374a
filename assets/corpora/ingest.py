"""Ingest: turns the files of a batch into records, image shards, samples and texts."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import polars as pl

from assets.corpora.batches import IngestBatch, raw_tables
from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.corpora.language import text_language
from assets.corpora.probe import DECODER_VERSION, NOT_MEASURED, Probe, image_probe
from assets.corpora.readers.folder import (
    CorpusError,
    CorpusFile,
    FileMetadata,
    corpus_root,
    read_corpus_file,
    read_metadata,
)
from assets.lake.contact_sheet import MAX_COLUMNS, contact_sheet
from assets.lake.ids import content_id, digest, record_id, sample_id, text_id
from assets.lake.images import StoredImage, iterate_shard, write_image_shard
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from models.common.fields import limits_of
from models.common.pixels import decode
from models.common.progress import Progress, tracked

PREVIEW_ROWS = 4

Row = Mapping[str, object]


class Outcome(NamedTuple):
    """The outcome of an earlier probe: the file's content id, and why it is unreadable, or None."""

    content: str
    error: str | None


Outcomes = Mapping[str, Outcome]
"""Earlier outcomes of a batch, by path."""


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


class ProbedFile(NamedTuple):
    """A file with its metadata and bytes, and the reason why it is unreadable, or None."""

    file: CorpusFile
    metadata: FileMetadata
    data: bytes
    error: str | None


def ingest_batch(lake: Lake, config: CorporaConfig, batch: IngestBatch, progress: Progress) -> StepOutput:
    """Writes the records, image shards, text-to-image samples and texts of one batch.

    Every file is first decoded in a sandboxed process. A file that does not decode keeps its record, with the
    reason and without an image.
    """
    corpus = next(corpus for corpus in config.corpora if corpus.name == batch.corpus)
    root = corpus_root(lake, corpus)
    metadata, broken = read_metadata(root)
    records: list[Row] = []
    pending: list[StoredImage] = []
    shards: list[str] = []
    outcomes: dict[str, Outcome] = {}
    probed = _probed_files(root, batch, metadata, config, _read_outcomes(lake, batch.name))
    for raw in tracked(probed, len(batch.files), f"ingesting {batch.name}", progress):
        if raw.data and not (raw.error or "").startswith(NOT_MEASURED):
            outcomes[raw.file.path] = Outcome(content_id(raw.data), raw.error)
        records.append(_record(raw, corpus, batch.name, config.heldout_share))
        if raw.error is None:
            license_ = raw.metadata.license or corpus.license
            pending.append(StoredImage(raw.data, raw.file.path, corpus.name, license_, raw.metadata.url))
        last = len(records) == len(batch.files)
        if pending and (last or sum(len(image.data) for image in pending) >= config.shard_mib * 1024**2):
            shards.append(_shard_path(batch, len(shards), pending))
            write_image_shard(lake, shards[-1], pending)
            pending = []
    for stale in sorted(set(lake.list(f"images/{batch.name}")) - set(shards)):
        lake.delete(stale)
    tables = _write_tables(lake, batch, records, metadata)
    unreadable = [{"path": row["path"], "reason": row["error"]} for row in records if row["error"]]
    lake.write_checked(_outcomes_path(batch.name), {"decoder": DECODER_VERSION, "outcomes": outcomes})
    facts = {
        "readable": len(records) - len(unreadable),
        "unreadable": unreadable,
        "metadata_lines_left_out": [line._asdict() for line in broken],
    }
    return StepOutput(
        (*shards, *tables),
        len(records),
        facts,
        _preview(lake, batch, shards),
        stopped_by=_stopped_by(unreadable, config),
    )


def _stopped_by(unreadable: Sequence[Mapping[str, object]], config: CorporaConfig) -> dict[str, float]:
    """Returns the limits that stopped a file of the batch, with their values."""
    reasons = [str(row["reason"]) for row in unreadable]
    return {
        f"corpora.probe.{name}": value
        for name, value in limits_of(config.probe).items()
        if any(reason.startswith(f"{NOT_MEASURED} {name}:") for reason in reasons)
    }


def _shard_path(batch: IngestBatch, number: int, images: Sequence[StoredImage]) -> str:
    """Returns a path with a digest of the images, because measures are stored by the name of a shard."""
    content = digest([content_id(image.data) for image in images])[:8]
    return f"images/{batch.name}/shard-{number:03d}-{content}.parquet"


def _probed_files(
    root: str,
    batch: IngestBatch,
    metadata: Mapping[str, FileMetadata],
    config: CorporaConfig,
    outcomes: Outcomes,
) -> Iterator[ProbedFile]:
    limits = config.probe
    with image_probe(seconds=limits.seconds, memory_mib=limits.memory_mib) as probe:
        for file in batch.files:
            metadata_of_file = metadata.get(file.path, FileMetadata(file_name=file.path))
            data, error = _read_and_probe(root, file, limits.file_mib, probe, outcomes)
            yield ProbedFile(file, metadata_of_file, data, error)


def _read_and_probe(
    root: str, file: CorpusFile, file_mib: int, probe: Probe, outcomes: Outcomes
) -> tuple[bytes, str | None]:
    """Returns the bytes of a file and the reason why it is unreadable, or None.

    An earlier outcome for the same content counts, so a limit that was lowered since changes nothing. What a
    limit stopped has no outcome.
    """
    known = file.path in outcomes
    if not known and file.size > file_mib * 1024**2:
        return b"", f"{NOT_MEASURED} file_mib: the file is larger than {file_mib} MiB"
    try:
        data = read_corpus_file(root, file.path)
    except OSError as error:
        return b"", f"the file cannot be read: {type(error).__name__}"
    if known and outcomes[file.path].content == content_id(data):
        return data, outcomes[file.path].error
    return data, probe(data)


def _read_outcomes(lake: Lake, batch: str) -> Outcomes:
    stored = lake.read_checked(_outcomes_path(batch))
    if stored is None or stored["decoder"] != DECODER_VERSION:
        return {}
    return {name: Outcome(*outcome) for name, outcome in stored["outcomes"].items()}


def _outcomes_path(batch: str) -> str:
    return f"probes/{batch}.json"


def _record(raw: ProbedFile, corpus: CorpusConfig, batch: str, heldout_share: float) -> Row:
    readable = raw.error is None
    # Without a group in the metadata an image is a group of its own; equal bytes are in the same group.
    group = raw.metadata.group_id or digest(["group", content_id(raw.data) if readable else raw.file.path])
    return {
        "record_id": record_id(corpus.name, raw.file.path),
        "path": raw.file.path,
        "image_id": content_id(raw.data) if readable else None,
        "error": raw.error,
        "bytes": raw.file.size,
        "corpus": corpus.name,
        "license": raw.metadata.license or corpus.license,
        "url": raw.metadata.url,
        "group_id": group,
        "split": raw.metadata.split or split_of(group, heldout_share),
        "batch": batch,
    }


def summarize_samples(lake: Lake, batch: str) -> StepOutput:
    """Checks the tables of a batch's text-to-image samples and counts them by category and split.

    Raises:
        SchemaError: a table does not have the columns and types of its schema.
    """
    paths = raw_tables(batch)
    samples, texts = lake.read_table(paths[0], SAMPLES), lake.read_table(paths[1], TEXTS)
    counts = samples.group_by("category", "split").len().sort("category", "split")
    facts = {"samples": counts.to_dicts(), "texts": texts.height}
    return StepOutput(paths, samples.height, facts)


def split_of(group_id: str, heldout_share: float) -> str:
    """Returns `heldout` for a share of all groups and `train` for the others, by a digest of the group id."""
    return "heldout" if int(digest(["split", group_id])[:8], 16) < heldout_share * 2**32 else "train"


def _write_tables(
    lake: Lake, batch: IngestBatch, records: Sequence[Row], metadata: Mapping[str, FileMetadata]
) -> tuple[str, ...]:
    samples: dict[str, Row] = {}
    texts: dict[str, Row] = {}
    for record in records:
        metadata_of_file = metadata.get(str(record["path"]))
        if record["image_id"] is not None:
            sample = _sample(record, metadata_of_file)
            samples.setdefault(str(sample["sample_id"]), sample)
            if metadata_of_file is not None and metadata_of_file.text:
                text = _text(str(sample["sample_id"]), metadata_of_file.text)
                texts.setdefault(str(text["text_id"]), text)
    tables = (f"records/{batch.name}.parquet", *raw_tables(batch.name))
    rows = (records, list(samples.values()), list(texts.values()))
    for path, table_rows, schema in zip(tables, rows, (RECORDS, SAMPLES, TEXTS), strict=True):
        lake.write_table(path, pl.DataFrame(table_rows, schema=dict(schema), orient="row"), schema)
    return tables


def _sample(record: Row, metadata: FileMetadata | None) -> Row:
    text = (metadata.text if metadata else None) or ""
    target = str(record["image_id"])
    return {
        "sample_id": sample_id("t2i", [], target, text),
        "group_id": record["group_id"],
        "split": record["split"],
        "task": "t2i",
        "category": metadata.category if metadata else None,
        "subcategory": None,
        "source_ids": [],
        "target_id": target,
        "origin": {
            "engine": record["corpus"],
            "template": None,
            "parameters": None,
            "seed": None,
            "parents": [],
        },
        "license": record["license"],
    }


def _text(sample: str, text: str) -> Row:
    lang = text_language(text)
    return {
        "text_id": text_id(sample, "original", lang, text),
        "sample_id": sample,
        "kind": "original",
        "lang": lang,
        "text": text,
        "model": "corpus",
        "prompt_version": 0,
        "seed": None,
        "parent_text_id": None,
    }


def _preview(lake: Lake, batch: IngestBatch, shards: Sequence[str]) -> bytes | None:
    count = PREVIEW_ROWS * MAX_COLUMNS
    stored = (data for shard in shards for _, data in iterate_shard(lake, shard))
    images = [decode(data, 96) for data in islice(stored, count)]
    rows = [images[start : start + MAX_COLUMNS] for start in range(0, len(images), MAX_COLUMNS)]
    return contact_sheet([(batch.name if not n else " ", row) for n, row in enumerate(rows)])
