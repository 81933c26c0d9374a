"""Corpora that leave the profile leave every table, and come back without being ingested again."""

import pytest
from small_lake import record, sample, table, write

from assets.corpora.batches import discover_batches
from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.corpora.retired import corpora_that_left, retire_batches
from assets.lake.lake import Lake
from assets.lake.materialize import PARTITIONED
from assets.lake.run_step import run_step
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS
from assets.lake.steps import Step, StepOutput, read_manifests
from orchestration.profile import load_profile

DEMO = load_profile("demo").corpora


def corpora(*names: str) -> CorporaConfig:
    listed = tuple(
        CorpusConfig(name=name, path=f"inbox/{name}", reader="folder", license="own") for name in names
    )
    return DEMO.model_copy(update={"corpora": listed})


@pytest.fixture
def ingested(lake: Lake) -> Lake:
    """A lake with one batch of each of two corpora in every table, and their manifests."""
    for name in ("a", "b"):
        lake.write_bytes(f"inbox/{name}/one.png", name.encode())
    for batch in discover_batches(lake, corpora("a", "b")):
        write(lake, f"records/{batch.name}.parquet", RECORDS, record(batch.corpus, f"image-{batch.corpus}"))
        write(lake, f"samples/raw/{batch.name}.parquet", SAMPLES, sample(batch.corpus, [], "t"))
        lake.write_table(f"texts/raw/{batch.name}.parquet", table(TEXTS), TEXTS)
        for asset in PARTITIONED:
            run_step(lake, Step(f"{asset}/{batch.name}", "1", {}, {}), lambda: StepOutput((), 1))
    return lake


def held(lake: Lake) -> dict[str, list[str]]:
    """The corpora in each table and in the manifests."""
    return {
        "records": sorted(lake.read_tables("records", RECORDS)["path"].to_list()),
        "samples": sorted(lake.read_tables("samples/raw", SAMPLES)["sample_id"].to_list()),
        **{asset: [one.name for one in read_manifests(lake, asset)] for asset in PARTITIONED},
    }


def test_a_corpus_that_left_is_in_no_table_and_no_manifest(ingested):
    assert corpora_that_left(ingested, corpora("a")) == ["b"]
    assert retire_batches(ingested, corpora("a")) == ["b"]
    found = held(ingested)
    assert found["records"] == ["photos/a.jpg"]
    assert found["samples"] == ["a"]
    assert all(found[asset] == [f"{asset}/a-0000"] for asset in PARTITIONED)
    assert corpora_that_left(ingested, corpora("a")) == []


def test_a_corpus_that_comes_back_is_as_it_was(ingested):
    before = held(ingested)
    retire_batches(ingested, corpora("a"))
    assert retire_batches(ingested, corpora("a", "b")) == []
    assert held(ingested) == before


def test_nothing_is_deleted(ingested):
    before = {ingested.read_bytes(path) for path in ingested.list("records")}
    retire_batches(ingested, corpora("a"))
    after = {ingested.read_bytes(path) for folder in ("records", "retired") for path in ingested.list(folder)}
    assert before <= after


@pytest.mark.parametrize("moves", range(1, 6))
def test_a_killed_call_is_completed_by_the_next_one(ingested, monkeypatch, moves):
    calls = []
    original = Lake.move

    def limited(self, source, target):
        calls.append(source)
        if len(calls) > moves:
            raise KeyboardInterrupt
        original(self, source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "move", limited)
        with pytest.raises(KeyboardInterrupt):
            retire_batches(ingested, corpora("a"))
    assert "raw_images/b-0000" not in [one.name for one in read_manifests(ingested, "raw_images")]
    retire_batches(ingested, corpora("a"))
    assert held(ingested)["records"] == ["photos/a.jpg"]
