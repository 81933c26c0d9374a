"""Ingest batches: named lists of files that never change once they are written."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from assets.corpora.config import CorporaConfig
from assets.corpora.readers.folder import CorpusFile, corpus_root, list_corpus
from assets.lake.lake import Lake

BATCHES = "batches"


class IngestBatch(NamedTuple):
    """Files of one corpus that are ingested together: one partition of the raw assets."""

    name: str
    corpus: str
    files: tuple[CorpusFile, ...]


def discover_batches(lake: Lake, config: CorporaConfig) -> list[IngestBatch]:
    """Returns the batches of the profile's corpora in order, after writing new batches for new files.

    Files that are in a batch stay there; the others, sorted by path, are divided into new batches. The result
    does not depend on the order in which a disk lists the files or on how often the function is called. A
    call that was killed is completed by the next one.

    Raises:
        CorpusError: a corpus does not exist at the path that the profile gives.
    """
    known = _read_batches(lake)
    batches = []
    for corpus in config.corpora:
        frozen = [batch for batch in known if batch.corpus == corpus.name]
        listed = {file.path for batch in frozen for file in batch.files}
        new = [file for file in list_corpus(corpus_root(lake, corpus)) if file.path not in listed]
        for number, files in enumerate(_chunks(new, config.files_per_batch), start=len(frozen)):
            batch = IngestBatch(f"{corpus.name}-{number:04d}", corpus.name, files)
            _write_batch(lake, batch)
            frozen.append(batch)
        batches += frozen
    return batches


def read_batch(lake: Lake, name: str) -> IngestBatch:
    """Returns a stored batch by its name.

    Raises:
        FileNotFoundError: there is no such batch.
    """
    return _parse_batch(lake.read_json(_path(name)))


def delete_batches(lake: Lake, corpus: str) -> None:
    """Deletes the batches of a corpus and all tables and shards made from them, before it is rebuilt."""
    for batch in _read_batches(lake):
        if batch.corpus != corpus:
            continue
        for path in (f"records/{batch.name}.parquet", f"probes/{batch.name}.json", *raw_tables(batch.name)):
            lake.delete(path)
        for path in [*lake.list("manifests"), *lake.list("previews")]:
            if PurePosixPath(path).stem == batch.name:
                lake.delete(path)
        measure_tables = (path for path in lake.list("measures") if f"/{batch.name}-shard-" in path)
        for path in [*lake.list(f"images/{batch.name}"), *measure_tables]:
            lake.delete(path)
        lake.delete(_path(batch.name))


def raw_tables(batch: str) -> tuple[str, str]:
    """Returns the paths of the tables of a batch's text-to-image samples and their texts."""
    return f"samples/raw/{batch}.parquet", f"texts/raw/{batch}.parquet"


def _read_batches(lake: Lake) -> list[IngestBatch]:
    batches = [_parse_batch(lake.read_json(path)) for path in lake.list(BATCHES, ".json")]
    return sorted(batches, key=lambda batch: (len(batch.name), batch.name))  # batch 9999 before 10000


def _parse_batch(frozen: dict[str, object]) -> IngestBatch:
    files = frozen["files"]
    assert isinstance(files, list)
    return IngestBatch(
        name=str(frozen["batch"]),
        corpus=str(frozen["corpus"]),
        files=tuple(CorpusFile(file["path"], file["size"]) for file in files),
    )


def _write_batch(lake: Lake, batch: IngestBatch) -> None:
    files = [file._asdict() for file in batch.files]
    lake.write_json(_path(batch.name), {"batch": batch.name, "corpus": batch.corpus, "files": files})


def _path(name: str) -> str:
    return f"{BATCHES}/{name}.json"


def _chunks(files: Sequence[CorpusFile], size: int) -> Iterator[tuple[CorpusFile, ...]]:
    for start in range(0, len(files), size):
        yield tuple(files[start : start + size])
