"""Exports open in the libraries of others, and nothing is lost or doubled when they come in again."""

import datasets
import numpy as np
import polars as pl
import pytest
import webdataset
from corpora_by_others import WRITERS
from PIL import Image
from small_lake import verdict, write

from assets.corpora.batches import discover_batches
from assets.corpora.config import ColumnsConfig, CorpusConfig
from assets.corpora.ingest import ingest_batch
from assets.lake.images import iterate_shard
from assets.lake.kept import (
    COLLECTED_SAMPLES_PATH,
    KEPT_PAIR_TEXTS_PATH,
    KEPT_PAIRS_PATH,
    KEPT_SAMPLES_PATH,
    KEPT_TEXTS_PATH,
)
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS
from assets.lake.steps import MissingInputError
from assets.reports.datasets import OtherExportError, chosen_samples, export_samples
from models.common.progress import silent
from orchestration.profile import load_profile

EXPORTED = ColumnsConfig(
    target="target",
    sources=("sources",),
    texts=("texts",),
    category="category",
    subcategory="subcategory",
    license="license",
    group="group_id",
    split="split",
)
READERS = {
    "hf": ("parquet", EXPORTED),
    "webdataset": ("webdataset", EXPORTED.model_copy(update={"sources": ("source",)})),
    "firered": ("firered", None),
}


def ingest(lake: Lake, *corpora: CorpusConfig) -> None:
    config = load_profile("demo").corpora.model_copy(update={"corpora": corpora})
    for batch in discover_batches(lake, config):
        ingest_batch(lake, config, batch, workers=1, progress=silent)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Lake:
    """A lake with the corpora of all formats, of which all samples but one pair are kept; never changed."""
    tmp_path = tmp_path_factory.mktemp("kept")
    lake, entries = Lake(str(tmp_path / "lake")), []
    for number, (reader, make) in enumerate(WRITERS.values()):
        root = tmp_path / f"corpus{number}"
        root.mkdir()
        columns = make(root).columns
        entries.append(
            CorpusConfig(name=f"c{number}", path=str(root), reader=reader, license="CC0", columns=columns)
        )
    ingest(lake, *entries)
    samples = lake.read_tables("samples/raw", SAMPLES).unique("sample_id", keep="first", maintain_order=True)
    texts = lake.read_tables("texts/raw", TEXTS).unique("text_id", keep="first", maintain_order=True)
    pairs = samples.filter(task="i2i").sort("sample_id")
    lake.write_table(KEPT_SAMPLES_PATH, samples.filter(task="t2i"), SAMPLES)
    lake.write_table(KEPT_PAIRS_PATH, pairs[1:], SAMPLES)
    lake.write_table(COLLECTED_SAMPLES_PATH, pairs, SAMPLES)
    for path in (KEPT_TEXTS_PATH, KEPT_PAIR_TEXTS_PATH):
        lake.write_table(path, texts, TEXTS)
    write(
        lake,
        "verdicts/deduped_pairs.parquet",
        VERDICTS,
        verdict(pairs["sample_id"][0], "deduped_pairs", "identity"),
    )
    return lake


def contents(lake: Lake, samples: pl.DataFrame) -> list[tuple]:
    """What a reader must find again of samples: images, texts, and what is said about them."""
    stored = dict(pair for shard in lake.list("images", ".parquet") for pair in iterate_shard(lake, shard))
    texts = lake.read_tables("texts", TEXTS).unique("text_id")
    said = dict(texts.group_by("sample_id").agg(pl.col("text").sort()).iter_rows())
    return sorted(
        (
            [stored[image_id] for image_id in row["source_ids"]],
            stored[row["target_id"]],
            said.get(row["sample_id"], []),
            *(str(row[name]) for name in ("split", "group_id", "category", "subcategory", "license")),
        )
        for row in samples.iter_rows(named=True)
    )


@pytest.mark.parametrize("form", list(READERS))
def test_what_is_exported_comes_in_again_as_it_was(kept, tmp_path, form):
    folder = tmp_path / "exported"
    files = export_samples(kept, folder, form, which="kept", rule=None, progress=silent)
    assert all(path.is_file() for path in files)
    reader, columns = READERS[form]
    again = Lake(str(tmp_path / "again"))
    ingest(again, CorpusConfig(name="again", path=str(folder), reader=reader, license="-", columns=columns))
    expected = contents(kept, chosen_samples(kept, "kept", None))
    assert contents(again, again.read_tables("samples/raw", SAMPLES)) == expected
    assert len(expected) > 10


@pytest.mark.parametrize("form", list(READERS))
def test_equal_homes_give_equal_bytes_and_a_killed_export_goes_on(kept, tmp_path, form):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        files = export_samples(kept, folder, form, which="all", rule=None, progress=silent)
    files[-1].unlink()
    before = files[0].stat().st_mtime_ns
    export_samples(kept, second, form, which="all", rule=None, progress=silent)
    assert files[0].stat().st_mtime_ns == before
    written = [
        {p.relative_to(top): p.read_bytes() for p in top.rglob("*") if p.is_file()} for top in (first, second)
    ]
    assert written[0] == written[1]


def test_the_hub_library_shows_images(kept, tmp_path):
    export_samples(kept, tmp_path / "hf", "hf", which="kept", rule=None, progress=silent)
    loaded = datasets.load_dataset(
        "parquet",
        data_files={"train": str(tmp_path / "hf/data/train-*.parquet")},
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    samples = chosen_samples(kept, "kept", None).filter(split="train")
    assert sorted(loaded["sample_id"]) == sorted(samples["sample_id"])
    row = next(row for row in loaded if len(row["sources"]) > 1)
    assert isinstance(row["target"], Image.Image)
    assert np.asarray(row["sources"][1]).ndim == 3
    assert row["texts"]


def test_the_tar_library_groups_the_members_of_a_sample(kept, tmp_path):
    files = export_samples(kept, tmp_path / "tar", "webdataset", which="kept", rule=None, progress=silent)
    found = [row for path in files for row in webdataset.WebDataset(str(path), shardshuffle=False)]
    assert {row["__key__"] for row in found} == set(chosen_samples(kept, "kept", None)["sample_id"])
    assert all(any(name.startswith("target.") for name in row) for row in found)


def test_what_a_rule_dropped_can_be_looked_at(kept, tmp_path):
    dropped = chosen_samples(kept, "dropped", None)
    assert dropped["rule"].to_list() == ["identity"]
    assert chosen_samples(kept, "kept", "identity").equals(dropped)
    (path,) = export_samples(kept, tmp_path / "out", "hf", which="kept", rule="identity", progress=silent)
    assert pl.read_parquet(path)["rule"].to_list() == ["identity"]
    with pytest.raises(MissingInputError, match="No sample fits"):
        export_samples(kept, tmp_path / "out", "hf", which="kept", rule="blur", progress=silent)


def test_an_export_does_not_take_the_files_of_another_one_for_its_own(kept, tmp_path):
    export_samples(kept, tmp_path, "hf", which="kept", rule=None, progress=silent)
    with pytest.raises(OtherExportError, match="--to"):
        export_samples(kept, tmp_path, "hf", which="dropped", rule=None, progress=silent)


def test_a_home_without_filtered_pairs_says_what_to_run(lake, tmp_path):
    with pytest.raises(MissingInputError, match="postfiltered"):
        export_samples(lake, tmp_path, "hf", which="kept", rule=None, progress=silent)
