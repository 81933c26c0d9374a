"""Ingests one chunk of a batch, the executor's unit of work: images into shards, and rows about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.corpora.language import text_language
from assets.corpora.outcomes import OUTCOMES, UNIT_CONTENTS, Outcome, read_outcomes, without_pixels
from assets.corpora.probe import DECODER_VERSION, NOT_MEASURED, Probe, image_probe
from assets.corpora.readers.reader import (
    CorpusSource,
    LeftOut,
    RawImage,
    RawSample,
    RawText,
    Reader,
    Unit,
    UnreadableUnitError,
)
from assets.corpora.readers.registry import reader_of
from assets.lake.ids import content_id, digest, record_id, sample_id, text_id
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS

Row = Mapping[str, object]

PARTS = {"records": RECORDS, "samples": SAMPLES, "texts": TEXTS, "units": UNIT_CONTENTS, "outcomes": OUTCOMES}
"""The tables of a chunk, which `ingest_batch` joins to those of its batch."""


class Chunk(NamedTuple):
    """Units of a batch whose files together fill about one shard."""

    number: int
    units: tuple[Unit, ...]


class Seen(NamedTuple):
    """What is known of an image after it was read, or why it could not be."""

    path: str
    outcome: Outcome | None
    error: str | None
    bytes: int

    @property
    def image_id(self) -> str | None:
        """The content id of a readable image."""
        return self.outcome.content if self.outcome is not None and self.error is None else None


def ingest_chunk(lake: Lake, config: CorporaConfig, corpus: CorpusConfig, batch: str, chunk: Chunk) -> str:
    """Writes the image shards and the tables of a chunk; returns the folder of the tables.

    An image with an outcome of an earlier run is neither read nor decoded again. A chunk whose tables are
    there is finished; its folder is named after everything that it depends on.
    """
    outcomes = read_outcomes(lake, batch)
    named = {outcome.shard for outcome in outcomes.values() if outcome.shard is not None}
    shards = {shard for shard in named if lake.exists(shard)}
    earlier = {path: one for path, one in outcomes.items() if one.shard is None or one.shard in shards}
    key = digest([corpus.model_dump(mode="json"), config.model_dump(mode="json", exclude={"corpora"}), chunk])
    folder = f"ingesting/{batch}/{chunk.number:05d}-{key[:16]}-{digest(earlier)[:16]}"
    done = f"{folder}/{list(PARTS)[-1]}.parquet"
    if lake.exists(done):
        return folder
    limits = config.probe
    with image_probe(seconds=limits.seconds, memory_mib=limits.memory_mib) as probe:
        writer = _ChunkWriter(lake, config, corpus, batch, chunk.number, probe, earlier)
        reader, source = reader_of(lake, corpus)
        for unit in chunk.units:
            writer.add(unit, reader, source)
        writer.close()
    tables = {name: list(rows.values()) for name, rows in writer.rows.items()}
    tables["outcomes"] = [
        {"path": path, **outcome._asdict(), "decoder": DECODER_VERSION}
        for path, outcome in writer.outcomes.items()
    ]
    for name, schema in PARTS.items():  # `outcomes` last: it says that the others are whole
        rows = pl.DataFrame(tables[name], schema=dict(schema), orient="row")
        lake.write_table(f"{folder}/{name}.parquet", rows, schema)
    return folder


@dataclass
class _ChunkWriter:
    """The rows and images of a chunk, and the shard in hand."""

    lake: Lake
    config: CorporaConfig
    corpus: CorpusConfig
    batch: str
    number: int
    probe: Probe
    earlier: Mapping[str, Outcome]
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {name: {} for name in PARTS})
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    pending: list[StoredImage] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)  # paths of the pending images
    size: int = 0

    def add(self, unit: Unit, reader: Reader, source: CorpusSource) -> None:
        """Adds all samples of a unit. What cannot be read is a record with the reason."""
        said = []
        try:
            for sample in reader.read_unit(source, unit):
                said.append(without_pixels(sample))
                if isinstance(sample, LeftOut):
                    self._refuse(sample.where, sample.reason)
                else:
                    self._add_sample(sample, unit)
            self.rows["units"][unit.unit] = {"unit": unit.unit, "content": digest(said)}
        except UnreadableUnitError as error:
            self._refuse(unit.unit, str(error))
        except OSError as error:
            self._refuse(unit.unit, f"the file cannot be read: {type(error).__name__}")

    def close(self) -> None:
        """Writes the last shard."""
        if not self.pending:
            return
        content = digest([image.image_id for image in self.pending])[:8]
        # With a digest of the images, because measures are stored by the name of a shard.
        shard = f"images/{self.batch}/shard-{self.number:03d}-{content}.parquet"
        write_image_shard(self.lake, shard, self.pending)
        for path in self.waiting:
            self.outcomes[path] = self.outcomes[path]._replace(shard=shard)
        self.pending, self.waiting, self.size = [], [], 0

    def _refuse(self, where: str, reason: str) -> None:
        group = digest(["group", where])
        self._record(Seen(where, None, reason, 0), RawSample(RawImage(where, 0, bytes)), group)

    def _add_sample(self, sample: RawSample, unit: Unit) -> None:
        images = [self._see(image, sample, unit) for image in (*sample.sources, sample.target)]
        # Without a group in the metadata a sample is a group of its own, named by its first image; so equal
        # bytes are in the same group.
        first = images[0]
        group = sample.group_id or digest(["group", first.image_id or first.path])
        for image in images:
            self._record(image, sample, group)
        ids = [image.image_id for image in images]
        if None not in ids:
            self._add_rows(sample, [str(image_id) for image_id in ids], group)

    def _see(self, image: RawImage, sample: RawSample, unit: Unit) -> Seen:
        """Returns what came of an image: from an earlier run, from this one, or by reading it now."""
        earlier = self.earlier.get(image.path)
        known = self.outcomes.get(image.path)
        if known is None and earlier is not None and earlier.version == unit.version:
            known = earlier
        if known is not None:
            self.outcomes[image.path] = known
            return Seen(image.path, known, known.error, known.bytes)
        file_mib = self.config.probe.file_mib
        # An earlier outcome for the same content counts, so a limit that was lowered since changes nothing.
        if earlier is None and image.size > file_mib * 1024**2:
            reason = f"{NOT_MEASURED} file_mib: the file is larger than {file_mib} MiB"
            return Seen(image.path, None, reason, image.size)
        try:
            data = image.load()
        except OSError as error:
            reason = f"the file cannot be read: {type(error).__name__}"
            return Seen(image.path, None, reason, image.size)
        content = content_id(data)
        same = earlier is not None and earlier.content == content
        error = earlier.error if earlier is not None and same else self.probe(data)
        if error is not None and error.startswith(NOT_MEASURED):
            return Seen(image.path, None, error, len(data))
        outcome = Outcome(
            unit.version, len(data), content, error, earlier.shard if earlier and same else None
        )
        self.outcomes[image.path] = outcome
        if error is None and outcome.shard is None:
            self._store(image.path, data, sample)
        return Seen(image.path, outcome, error, len(data))

    def _store(self, path: str, data: bytes, sample: RawSample) -> None:
        license_ = sample.license or self.corpus.license
        self.pending.append(StoredImage(data, path, self.corpus.name, license_, sample.url))
        self.waiting.append(path)
        self.size += len(data)
        if self.size >= self.config.shard_mib * 1024**2:
            self.close()

    def _record(self, image: Seen, sample: RawSample, group: str) -> None:
        identifier = record_id(self.corpus.name, image.path)
        record = {
            "record_id": identifier,
            "path": image.path,
            "image_id": image.image_id,
            "error": image.error,
            "bytes": image.bytes,
            "corpus": self.corpus.name,
            "license": sample.license or self.corpus.license,
            "url": sample.url,
            "group_id": group,
            "split": sample.split or split_of(group, self.config.heldout_share),
            "batch": self.batch,
        }
        self.rows["records"].setdefault(identifier, record)

    def _add_rows(self, sample: RawSample, image_ids: list[str], group: str) -> None:
        *sources, target = image_ids
        task = "i2i" if sources else "t2i"
        first = sample.texts[0].text if sample.texts else ""
        identifier = sample_id(task, sources, target, first)
        self.rows["samples"].setdefault(
            identifier,
            {
                "sample_id": identifier,
                "group_id": group,
                "split": sample.split or split_of(group, self.config.heldout_share),
                "task": task,
                "category": sample.category,
                "subcategory": sample.subcategory,
                "source_ids": sources,
                "target_id": target,
                "origin": {
                    "engine": self.corpus.name,
                    "template": None,
                    "parameters": None,
                    "seed": None,
                    "parents": [],
                },
                "license": sample.license or self.corpus.license,
            },
        )
        for row in _text_rows(identifier, sample.texts):
            self.rows["texts"].setdefault(str(row["text_id"]), row)


def _text_rows(sample: str, texts: tuple[RawText, ...]) -> Iterator[Row]:
    for text in texts:
        lang = text.lang or text_language(text.text)
        yield {
            "text_id": text_id(sample, "original", lang, text.text),
            "sample_id": sample,
            "kind": "original",
            "lang": lang,
            "text": text.text,
            "model": "corpus",
            "prompt_version": 0,
            "seed": None,
            "parent_text_id": None,
        }


def split_of(group_id: str, heldout_share: float) -> str:
    """Returns `heldout` for a share of all groups and `train` for the others, by a digest of the group id."""
    return "heldout" if int(digest(["split", group_id])[:8], 16) < heldout_share * 2**32 else "train"
