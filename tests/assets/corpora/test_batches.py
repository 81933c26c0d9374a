from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.corpora import batches as batches_module
from assets.corpora.batches import delete_batches, discover_batches, read_batch
from assets.corpora.config import CorporaConfig, CorpusConfig, ProbeConfig
from assets.lake.lake import Lake

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
    return [[file.path for file in batch.files] for batch in batches]


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
    assert second[: len(first)] == first
    assert files(second) == [["1", "3"], ["0", "2"]]


def test_another_batch_size_changes_no_frozen_batch(lake: Lake):
    add(lake, "c", "0", "1", "2")
    first = discover_batches(lake, config("inbox/c", size=2))
    assert discover_batches(lake, config("inbox/c", size=1)) == first


def test_a_batch_is_read_as_it_was_frozen(lake: Lake):
    add(lake, "c", "1")
    (batch,) = discover_batches(lake, config("inbox/c"))
    lake.delete("inbox/c/1")
    assert read_batch(lake, "c-0000") == batch


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
            assert discover_batches(lake, config("inbox/c", size=size)) == once
            results.append(once)
    assert results[0] == results[1]


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
    assert lake.list("batches") == ["batches/c-2-0000.json"]


def test_forgetting_a_corpus_takes_what_was_ingested_from_it(lake: Lake):
    add(lake, "c", "1")
    discover_batches(lake, config("inbox/c"))
    made = ["records/c-0000.parquet", "samples/raw/c-0000.parquet", "images/c-0000/shard-000.parquet"]
    made += ["manifests/raw_images/c-0000.json", "previews/raw_images/c-0000.jpg"]
    made += ["measures/codes@1/c-0000-shard-000.parquet", "measures/codes@1/c-0000-shard-000.json"]
    for path in [*made, "records/d-0000.parquet"]:
        lake.write_bytes(path, b"1")
    delete_batches(lake, "c")
    assert [path for path in made if lake.exists(path)] == []
    assert lake.exists("records/d-0000.parquet")
    assert lake.exists("inbox/c/1")
