"""Ingest batches: frozen lists of files, so that what a batch holds never changes once it has a name."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from assets.corpora.config import CorporaConfig
from assets.corpora.readers.folder import CorpusFile, corpus_root, list_corpus
from assets.lake.lake import Lake

BATCHES = "batches"


class Batch(NamedTuple):
    """Some files of one corpus that are ingested together: a partition of the raw assets."""

    name: str
    corpus: str
    files: tuple[CorpusFile, ...]


def discover_batches(lake: Lake, config: CorporaConfig) -> list[Batch]:
    """Returns the batches of the profile's corpora in order, after freezing lists of files that are new.

    Files already in a batch stay there; the others, sorted by path, are cut into new batches. So the result
    depends neither on the order in which a disk lists them nor on how often this is called, and a call that
    was killed half-way is completed by the next.

    Raises:
        CorpusError: a corpus is not where the profile says.
    """
    known = _read_batches(lake)
    batches = []
    for corpus in config.corpora:
        frozen = [batch for batch in known if batch.corpus == corpus.name]
        listed = {file.path for batch in frozen for file in batch.files}
        new = [file for file in list_corpus(corpus_root(lake, corpus)) if file.path not in listed]
        for number, files in enumerate(_cut(new, config.files_per_batch), start=len(frozen)):
            batch = Batch(f"{corpus.name}-{number:04d}", corpus.name, files)
            _freeze(lake, batch)
            frozen.append(batch)
        batches += frozen
    return batches


def read_batch(lake: Lake, name: str) -> Batch:
    """Returns a frozen batch by its name; FileNotFoundError where there is none."""
    return _parse(lake.read_json(_path(name)))


def forget_batches(lake: Lake, corpus: str) -> None:
    """Deletes a corpus's batches and all that was made of them, for a corpus made anew."""
    for batch in _read_batches(lake):
        if batch.corpus != corpus:
            continue
        for path in (f"records/{batch.name}.parquet", *raw_tables(batch.name)):
            lake.delete(path)
        for path in [*lake.list("manifests"), *lake.list("previews")]:
            if PurePosixPath(path).stem == batch.name:
                lake.delete(path)
        measured = (path for path in lake.list("measures") if f"/{batch.name}-shard-" in path)
        for path in [*lake.list(f"images/{batch.name}"), *measured]:
            lake.delete(path)
        lake.delete(_path(batch.name))


def raw_tables(batch: str) -> tuple[str, str]:
    """Returns where a batch's text-to-image samples and their texts lie."""
    return f"samples/raw/{batch}.parquet", f"texts/raw/{batch}.parquet"


def _read_batches(lake: Lake) -> list[Batch]:
    batches = [_parse(lake.read_json(path)) for path in lake.list(BATCHES, ".json")]
    return sorted(batches, key=lambda batch: (len(batch.name), batch.name))  # 9999 before 10000


def _parse(frozen: dict[str, object]) -> Batch:
    files = frozen["files"]
    assert isinstance(files, list)
    return Batch(
        name=str(frozen["batch"]),
        corpus=str(frozen["corpus"]),
        files=tuple(CorpusFile(file["path"], file["size"]) for file in files),
    )


def _freeze(lake: Lake, batch: Batch) -> None:
    files = [file._asdict() for file in batch.files]
    lake.write_json(_path(batch.name), {"batch": batch.name, "corpus": batch.corpus, "files": files})


def _path(name: str) -> str:
    return f"{BATCHES}/{name}.json"


def _cut(files: Sequence[CorpusFile], size: int) -> Iterator[tuple[CorpusFile, ...]]:
    for start in range(0, len(files), size):
        yield tuple(files[start : start + size])
