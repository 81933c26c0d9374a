"""Ingest: the files of a batch become content ids, image shards, samples and texts, or a reason why not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import polars as pl

from assets.corpora.batches import Batch, raw_tables
from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.corpora.probe import Probe, image_probe
from assets.corpora.readers.folder import CorpusFile, FileMetadata, corpus_root, read_file, read_metadata
from assets.lake.contact_sheet import MAX_COLUMNS, contact_sheet
from assets.lake.ids import content_id, digest, record_id, sample_id, text_id
from assets.lake.images import StoredImage, iterate_shard, write_image_shard
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from models.common.pixels import decode
from models.common.progress import Progress, tracked

PREVIEW_ROWS = 4
CHINESE = re.compile(r"[\u3400-\u9fff]")

Row = Mapping[str, object]


class Raw(NamedTuple):
    """A file as it came, what is known of it, and the reason why it is unreadable, if it is."""

    file: CorpusFile
    metadata: FileMetadata
    data: bytes
    error: str | None


def ingest_batch(lake: Lake, config: CorporaConfig, batch: Batch, progress: Progress) -> StepOutput:
    """Writes the records, image shards, text-to-image samples and texts of one batch.

    Every file is decoded once in a process that it may harm without harm to anything else. A file that does
    not decode keeps its record, with the reason and without an image.

    Raises:
        CorpusError: the corpus's metadata cannot be read.
    """
    corpus = next(corpus for corpus in config.corpora if corpus.name == batch.corpus)
    root = corpus_root(lake, corpus)
    metadata = read_metadata(root)
    records: list[Row] = []
    waiting: list[StoredImage] = []
    shards: list[str] = []
    for raw in tracked(
        _read(root, batch, metadata, config), len(batch.files), f"ingesting {batch.name}", progress
    ):
        records.append(_record(raw, corpus, batch.name, config.heldout_share))
        if raw.error is None:
            license_ = raw.metadata.license or corpus.license
            waiting.append(StoredImage(raw.data, raw.file.path, corpus.name, license_, raw.metadata.url))
        last = len(records) == len(batch.files)
        if waiting and (last or sum(len(image.data) for image in waiting) >= config.shard_mib * 1024**2):
            shards.append(_shard_path(batch, len(shards), waiting))
            write_image_shard(lake, shards[-1], waiting)
            waiting = []
    for stale in sorted(set(lake.list(f"images/{batch.name}")) - set(shards)):
        lake.delete(stale)
    tables = _write_tables(lake, batch, records, metadata)
    unreadable = [{"path": row["path"], "reason": row["error"]} for row in records if row["error"]]
    facts = {"readable": len(records) - len(unreadable), "unreadable": unreadable}
    return StepOutput((*shards, *tables), len(records), facts, _preview(lake, batch, shards))


def _shard_path(batch: Batch, number: int, images: Sequence[StoredImage]) -> str:
    """Returns a path that names its images too: measures are kept by the name of a shard."""
    content = digest([content_id(image.data) for image in images])[:8]
    return f"images/{batch.name}/shard-{number:03d}-{content}.parquet"


def _read(
    root: str, batch: Batch, metadata: Mapping[str, FileMetadata], config: CorporaConfig
) -> Iterator[Raw]:
    limits = config.probe
    with image_probe(seconds=limits.seconds, memory_mib=limits.memory_mib) as probe:
        for file in batch.files:
            known = metadata.get(file.path, FileMetadata(file_name=file.path))
            data, error = _try(root, file, limits.file_mib, probe)
            yield Raw(file, known, data, error)


def _try(root: str, file: CorpusFile, file_mib: int, probe: Probe) -> tuple[bytes, str | None]:
    if file.size > file_mib * 1024**2:
        return b"", f"the file is over the limit of {file_mib} MiB"
    try:
        data = read_file(root, file.path)
    except OSError as error:
        return b"", f"the file cannot be read: {type(error).__name__}"
    return data, probe(data)


def _record(raw: Raw, corpus: CorpusConfig, batch: str, heldout_share: float) -> Row:
    readable = raw.error is None
    # What no metadata groups is a group of its own: equal bytes, equal group, whatever the path.
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
    """Returns the counts of a batch's text-to-image samples by category and split, their tables checked.

    Raises:
        SchemaError: a table is not what its name promises.
    """
    paths = raw_tables(batch)
    samples, texts = lake.read_table(paths[0], SAMPLES), lake.read_table(paths[1], TEXTS)
    counts = samples.group_by("category", "split").len().sort("category", "split")
    facts = {"samples": counts.to_dicts(), "texts": texts.height}
    return StepOutput(paths, samples.height, facts)


def split_of(group_id: str, heldout_share: float) -> str:
    """Returns `heldout` for this share of all groups, `train` for the others; the group's name decides."""
    return "heldout" if int(digest(["split", group_id])[:8], 16) < heldout_share * 2**32 else "train"


def _write_tables(
    lake: Lake, batch: Batch, records: Sequence[Row], metadata: Mapping[str, FileMetadata]
) -> tuple[str, ...]:
    samples: dict[str, Row] = {}
    texts: dict[str, Row] = {}
    for record in records:
        known = metadata.get(str(record["path"]))
        if record["image_id"] is not None:
            sample = _sample(record, known)
            samples.setdefault(str(sample["sample_id"]), sample)
            if known is not None and known.text:
                text = _text(str(sample["sample_id"]), known.text)
                texts.setdefault(str(text["text_id"]), text)
    tables = (f"records/{batch.name}.parquet", *raw_tables(batch.name))
    rows = (records, list(samples.values()), list(texts.values()))
    for path, found, schema in zip(tables, rows, (RECORDS, SAMPLES, TEXTS), strict=True):
        lake.write_table(path, pl.DataFrame(found, schema=dict(schema), orient="row"), schema)
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
    lang = "zh" if CHINESE.search(text) else "en"
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


def _preview(lake: Lake, batch: Batch, shards: Sequence[str]) -> bytes | None:
    wanted = PREVIEW_ROWS * MAX_COLUMNS
    stored = (data for shard in shards for _, data in iterate_shard(lake, shard))
    pictures = [decode(data, 96) for data in islice(stored, wanted)]
    rows = [pictures[start : start + MAX_COLUMNS] for start in range(0, len(pictures), MAX_COLUMNS)]
    return contact_sheet([(batch.name if not n else " ", row) for n, row in enumerate(rows)])
