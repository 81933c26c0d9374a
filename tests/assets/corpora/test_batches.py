import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.corpora import batches as batches_module
from assets.corpora.batches import delete_batches, discover_batches, read_batch
from assets.corpora.config import CorporaConfig, CorpusConfig, ProbeConfig
from assets.corpora.ingest import ingest_batch
from assets.lake.lake import Lake
from models.common.progress import silent

PROBE = ProbeConfig(seconds=10, memory_mib=1024, file_mib=16)


def config(*paths: str, size: int = 2) -> CorporaConfig:
    corpora = tuple(
        CorpusConfig(name=Path(path).name, path=path, reader="folder", license="CC0") for path in paths
    )
    return CorporaConfig(corpora=corpora, files_per_batch=size, shard_mib=1, heldout_share=0.2, probe=PROBE)


def add(lake: Lake, corpus: str, *names: str) -> None:
    for name in names:
        lake.write_bytes(f"inbox/{corpus}/{name}", name.encode())


def files(batches):
    return [batch.units.filter(~pl.col("gone"))["unit"].to_list() for batch in batches]


def same(first, second):
    return [(a.name, a.corpus, a.units.rows()) for a in first] == [
        (b.name, b.corpus, b.units.rows()) for b in second
    ]


def test_files_are_cut_in_the_order_of_their_paths(lake: Lake):
    add(lake, "c", "3", "1", "2", "0", "4")
    batches = discover_batches(lake, config("inbox/c"))
    assert [batch.name for batch in batches] == ["c-0000", "c-0001", "c-0002"]
    assert files(batches) == [["0", "1"], ["2", "3"], ["4"]]


def test_new_files_form_new_batches_and_old_batches_stay(lake: Lake):
    add(lake, "c", "1", "3")
    first = discover_batches(lake, config("inbox/c"))
    add(lake, "c", "0", "2")
    second = discover_batches(lake, config("inbox/c"))
    assert same(second[: len(first)], first)
    assert files(second) == [["1", "3"], ["0", "2"]]


def test_another_batch_size_changes_no_frozen_batch(lake: Lake):
    add(lake, "c", "0", "1", "2")
    first = discover_batches(lake, config("inbox/c", size=2))
    assert same(discover_batches(lake, config("inbox/c", size=1)), first)


def test_a_batch_is_read_as_it_was_frozen(lake: Lake):
    add(lake, "c", "1")
    (batch,) = discover_batches(lake, config("inbox/c"))
    lake.delete("inbox/c/1")
    assert same([read_batch(lake, "c-0000")], [batch])


@settings(max_examples=25, deadline=None)
@given(
    st.sets(st.sampled_from("abcdefghij"), min_size=1), st.randoms(use_true_random=False), st.integers(1, 4)
)
def test_batches_depend_neither_on_the_order_of_listing_nor_on_repetition(names, random, size):
    shuffled = sorted(names)
    random.shuffle(shuffled)
    results = []
    for order in (sorted(names), shuffled):
        with TemporaryDirectory() as folder:
            lake = Lake(folder)
            add(lake, "c", *order)
            once = discover_batches(lake, config("inbox/c", size=size))
            assert same(discover_batches(lake, config("inbox/c", size=size)), once)
            results.append(files(once))
    assert results[0] == results[1]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(batches_module, "PAUSE_SECONDS", 0.0)


def test_a_file_that_left_leaves_its_batch_and_no_other_changes(lake: Lake):
    add(lake, "c", "0", "1", "2")
    first = discover_batches(lake, config("inbox/c"))
    lake.delete("inbox/c/1")
    told: list[str] = []
    second = discover_batches(lake, config("inbox/c"), told.append)
    assert files(second) == [["0"], ["2"]]
    assert [batch.files() for batch in second][1] == first[1].files()
    assert second[0].files() != first[0].files()
    assert len(told) == 1
    assert "1 of" in told[0]
    assert same(discover_batches(lake, config("inbox/c"), told.append), second)
    assert len(told) == 1  # told once


def test_a_changed_file_is_in_a_new_batch(lake: Lake):
    add(lake, "c", "0", "1", "2")
    discover_batches(lake, config("inbox/c"))
    lake.write_bytes("inbox/c/1", b"more than before")
    assert files(discover_batches(lake, config("inbox/c"))) == [["0"], ["2"], ["1"]]


def test_a_changed_line_takes_its_file_alone_into_a_new_batch(lake: Lake):
    def say(text: str) -> None:
        rows = [{"file_name": "0", "text": "same"}, {"file_name": "1", "text": text}]
        lake.write_bytes("inbox/c/metadata.jsonl", "\n".join(map(json.dumps, rows)).encode())

    add(lake, "c", "0", "1", "2")
    say("old")
    discover_batches(lake, config("inbox/c"))
    say("new")
    assert files(discover_batches(lake, config("inbox/c"))) == [["0"], ["2"], ["1"]]


def test_a_half_copied_file_is_whole_in_the_end(lake: Lake):
    data = bytes(range(256)) * 64
    lake.write_bytes("inbox/c/a.png", data[: len(data) // 2])
    discover_batches(lake, config("inbox/c"))
    lake.write_bytes("inbox/c/a.png", data)
    batches = discover_batches(lake, config("inbox/c"))
    assert files(batches) == [[], ["a.png"]]
    assert batches[1].units["size"].to_list() == [len(data)]


def test_a_file_that_grows_waits(lake: Lake, monkeypatch):
    add(lake, "c", "0", "1")

    def grow(seconds: float) -> None:
        lake.write_bytes("inbox/c/1", b"longer" * 10)

    monkeypatch.setattr(batches_module.time, "sleep", grow)
    told: list[str] = []
    assert files(discover_batches(lake, config("inbox/c"), told.append)) == [["0"]]
    assert "still growing" in told[0]
    monkeypatch.undo()
    assert files(discover_batches(lake, config("inbox/c"))) == [["0"], ["1"]]


def test_a_copy_of_a_corpus_is_the_same_corpus_but_other_bytes_of_the_same_size_are_not(lake: Lake):
    add(lake, "c", "0", "1")
    (batch,) = discover_batches(lake, config("inbox/c"))
    ingest_batch(lake, config("inbox/c"), batch, workers=1, progress=silent)
    for name in "01":
        os.utime(lake.uri(f"inbox/c/{name}"), (1, 1))
    again = discover_batches(lake, config("inbox/c"))
    assert [one.files() for one in again] == [batch.files()]
    lake.write_bytes("inbox/c/1", b"x")  # one byte, as before
    assert files(discover_batches(lake, config("inbox/c"))) == [["0"], ["1"]]


@pytest.mark.parametrize("damage", ["json", "parquet"])
def test_a_damaged_batch_is_written_again_under_its_name(lake: Lake, damage):
    add(lake, "c", "0", "1", "2")
    before = discover_batches(lake, config("inbox/c"))
    data = bytearray(lake.read_bytes(f"batches/c-0000.{damage}"))
    data[len(data) // 2] ^= 1
    lake.write_bytes(f"batches/c-0000.{damage}", bytes(data))
    assert files(discover_batches(lake, config("inbox/c"))) == files(before)


def test_a_killed_discovery_is_completed_by_the_next(lake: Lake, monkeypatch):
    add(lake, "c", "0", "1", "2", "3", "4")
    freeze, calls = batches_module._write_batch, []

    def killed(*args):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        freeze(*args)

    monkeypatch.setattr(batches_module, "_write_batch", killed)
    with pytest.raises(KeyboardInterrupt):
        discover_batches(lake, config("inbox/c"))
    monkeypatch.undo()
    assert files(discover_batches(lake, config("inbox/c"))) == [["0", "1"], ["2", "3"], ["4"]]


def test_corpora_do_not_mix_even_where_their_names_begin_alike(lake: Lake):
    add(lake, "c", "1")
    add(lake, "c-2", "1")
    both = config("inbox/c", "inbox/c-2")
    assert [(batch.name, batch.corpus) for batch in discover_batches(lake, both)] == [
        ("c-0000", "c"),
        ("c-2-0000", "c-2"),
    ]
    delete_batches(lake, "c")
    assert lake.list("batches", ".json") == ["batches/c-2-0000.json"]


def test_forgetting_a_corpus_takes_what_was_ingested_from_it(lake: Lake):
    add(lake, "c", "1")
    discover_batches(lake, config("inbox/c"))
    made = ["records/c-0000.parquet", "samples/raw/c-0000.parquet", "images/c-0000/shard-000.parquet"]
    made += [
        "probes/c-0000.parquet",
        "probes/c-0000.units.parquet",
        "batches/c-0000.parquet",
        "manifests/raw_images/c-0000.json",
        "previews/raw_images/c-0000.jpg",
    ]
    made += ["measures/codes@1/c-0000-shard-000.parquet", "measures/codes@1/c-0000-shard-000.json"]
    for path in [*made, "records/d-0000.parquet"]:
        lake.write_bytes(path, b"1")
    delete_batches(lake, "c")
    assert [path for path in made if lake.exists(path)] == []
    assert lake.exists("records/d-0000.parquet")
    assert lake.exists("inbox/c/1")
