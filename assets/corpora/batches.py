"""Ingest batches: named lists of files that never change once they are written."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import PurePosixPath
from typing import NamedTuple

from assets.corpora.config import CorporaConfig
from assets.corpora.readers.folder import CorpusError, CorpusFile, corpus_root, list_corpus
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
    known = stored_batches(lake)
    batches = []
    for corpus in config.corpora:
        frozen = [batch for batch in known if batch.corpus == corpus.name]
        listed = {file.path for batch in frozen for file in batch.files}
        new = [file for file in list_corpus(corpus_root(lake, corpus)) if file.path not in listed]
        # The lowest free number: a lost or damaged file of a batch is written again under its old name.
        taken = {batch.name for batch in frozen}
        names = (name for number in count() if (name := f"{corpus.name}-{number:04d}") not in taken)
        for name, files in zip(names, _chunks(new, config.files_per_batch), strict=False):
            batch = IngestBatch(name, corpus.name, files)
            _write_batch(lake, batch)
            frozen.append(batch)
        batches += sorted(frozen, key=_number)
    return batches


def stored_batches(lake: Lake) -> list[IngestBatch]:
    """Returns all stored batches in order. A batch whose file is damaged is left out."""
    stored = (_read_batch(lake, path) for path in lake.list(BATCHES, ".json"))
    batches = [batch for batch in stored if batch is not None]
    return sorted(batches, key=_number)


def read_batch(lake: Lake, name: str) -> IngestBatch:
    """Returns a stored batch by its name.

    Raises:
        CorpusError: there is no such batch, or its file is damaged.
    """
    batch = _read_batch(lake, _path(name))
    if batch is None:
        raise CorpusError(f"{lake.uri(_path(name))} is missing or damaged. Run all assets to write it again.")
    return batch


def delete_batches(lake: Lake, corpus: str) -> None:
    """Deletes the batches of a corpus and all tables and shards made from them, before it is rebuilt."""
    # By name, because the file of a batch may be damaged.
    names = [PurePosixPath(path).stem for path in lake.list(BATCHES, ".json")]
    for name in (name for name in names if name.rpartition("-")[0] == corpus):
        for path in (f"records/{name}.parquet", f"probes/{name}.json", *raw_tables(name)):
            lake.delete(path)
        for path in [*lake.list("manifests"), *lake.list("previews")]:
            if PurePosixPath(path).stem == name:
                lake.delete(path)
        measure_tables = (path for path in lake.list("measures") if f"/{name}-shard-" in path)
        for path in [*lake.list(f"images/{name}"), *measure_tables]:
            lake.delete(path)
        lake.delete(_path(name))


def raw_tables(batch: str) -> tuple[str, str]:
    """Returns the paths of the tables of a batch's text-to-image samples and their texts."""
    return f"samples/raw/{batch}.parquet", f"texts/raw/{batch}.parquet"


def _read_batch(lake: Lake, path: str) -> IngestBatch | None:
    """Returns a stored batch; None if its file is missing or damaged."""
    frozen = lake.read_checked(path)
    if frozen is None:
        return None
    files = tuple(CorpusFile(file["path"], file["size"]) for file in frozen["files"])
    return IngestBatch(frozen["batch"], frozen["corpus"], files)


def _write_batch(lake: Lake, batch: IngestBatch) -> None:
    files = [file._asdict() for file in batch.files]
    lake.write_checked(_path(batch.name), {"batch": batch.name, "corpus": batch.corpus, "files": files})


def _number(batch: IngestBatch) -> tuple[int, str]:
    return len(batch.name), batch.name  # batch 9999 before 10000


def _path(name: str) -> str:
    return f"{BATCHES}/{name}.json"


def _chunks(files: Sequence[CorpusFile], size: int) -> Iterator[tuple[CorpusFile, ...]]:
    for start in range(0, len(files), size):
        yield tuple(files[start : start + size])
