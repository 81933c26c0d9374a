"""Takes the batches of corpora that left the profile out of every table, and puts them back on return."""

from collections.abc import Sequence

from assets.corpora.batches import IngestBatch, raw_tables, stored_batches
from assets.corpora.config import CorporaConfig
from assets.lake.lake import Lake
from assets.lake.materialize import PARTITIONED
from assets.lake.steps import manifest_path

RETIRED = "retired"
"""Folder of the manifests and tables of batches that the profile does not list. Shards stay where they are:
only tables name them."""


def retire_batches(lake: Lake, config: CorporaConfig) -> list[str]:
    """Returns the corpora that the profile no longer lists, after moving their batches to `retired/`.

    The batches of a corpus that the profile lists again are moved back. A call that was killed is completed
    by the next one: a batch without its manifest does not count as ingested.
    """
    listed = {corpus.name for corpus in config.corpora}
    left = []
    for batch in stored_batches(lake):
        if batch.corpus in listed:
            for path in reversed(_files(batch)):
                if lake.exists(f"{RETIRED}/{path}") and not lake.exists(path):
                    lake.move(f"{RETIRED}/{path}", path)
        else:
            left.append(batch.corpus)
            for path in _files(batch):
                if lake.exists(path):
                    lake.move(path, f"{RETIRED}/{path}")
    return list(dict.fromkeys(left))


def corpora_that_left(lake: Lake, config: CorporaConfig) -> list[str]:
    """Returns the corpora that the profile no longer lists although tables still hold their batches."""
    listed = {corpus.name for corpus in config.corpora}
    gone = (batch for batch in stored_batches(lake) if batch.corpus not in listed)
    return list(dict.fromkeys(batch.corpus for batch in gone if any(map(lake.exists, _files(batch)))))


def _files(batch: IngestBatch) -> Sequence[str]:
    """Returns the files that bring a batch into play, the manifests first."""
    manifests = (manifest_path(f"{asset}/{batch.name}") for asset in PARTITIONED)
    return [*manifests, f"records/{batch.name}.parquet", *raw_tables(batch.name)]
