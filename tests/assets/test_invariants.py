"""The checks that stop a run: each finds what it looks for, and nothing where all is well."""

import polars as pl
import pytest

from assets.cached.leaks import leaked_groups
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS, empty
from assets.lake.shapes import schema_differences
from trainers.data.cache import MIXTURE


def record(image, group, split):
    row = dict.fromkeys(RECORDS) | {"record_id": f"{image}-{group}", "path": image, "image_id": image}
    return row | {"group_id": group, "split": split}


def trained(sample, group, *, sources=(), target="made", split="train"):
    row = dict.fromkeys(MIXTURE) | {"sample_id": sample, "group_id": group, "split": split}
    return row | {"source_keys": [f"{one}@64x64" for one in sources], "target_key": f"{target}@64x64"}


@pytest.fixture
def write(lake):
    def write(*, records, mixture):
        lake.write_table("records/a.parquet", pl.DataFrame(records, schema=dict(RECORDS)), RECORDS)
        lake.write_table("samples/a.parquet", empty(SAMPLES), SAMPLES)
        lake.write_table("mixtures/sft.parquet", pl.DataFrame(mixture, schema=dict(MIXTURE)), MIXTURE)
        return lake

    return write


def test_training_and_held_out_groups_that_are_apart_are_no_leak(write):
    records = [record("a", "one", "train"), record("b", "two", "heldout")]
    mixture = [trained("s", "one", sources=["a"]), trained("t", "two", sources=["b"], split="heldout")]
    assert leaked_groups(write(records=records, mixture=mixture)) == []


def test_a_sample_of_a_held_out_group_is_a_leak(write):
    records = [record("a", "one", "train"), record("b", "two", "heldout")]
    mixture = [trained("s", "two", sources=["a"])]
    assert leaked_groups(write(records=records, mixture=mixture)) == ["two"]


@pytest.mark.parametrize("role", [{"sources": ["a", "b"]}, {"target": "b"}])
def test_a_held_out_picture_in_a_training_group_is_a_leak(write, role):
    records = [record("a", "one", "train"), record("b", "two", "heldout")]
    assert leaked_groups(write(records=records, mixture=[trained("s", "one", **role)])) == ["two"]


def test_a_picture_that_came_on_both_sides_is_a_leak(write):
    records = [record("a", "one", "train"), record("a", "two", "heldout")]
    assert leaked_groups(write(records=records, mixture=[trained("s", "one", sources=["a"])])) == ["two"]


def test_tables_as_they_are_written_have_their_schema(write):
    lake = write(records=[record("a", "one", "train")], mixture=[])
    lake.write_table("texts/raw/a.parquet", empty(TEXTS), TEXTS)
    assert schema_differences(lake, lake.list("")) == {}


def test_a_table_with_another_type_a_missing_and_an_unknown_column_is_named(lake):
    frame = empty(TEXTS).drop("lang").with_columns(seed=pl.lit("0"), colour=pl.lit(1.0))
    lake.write_table("texts/odd.parquet", frame)
    [(path, said)] = schema_differences(lake, lake.list("")).items()
    assert path == "texts/odd.parquet"
    assert {part.split(":")[0] for part in said.split(", ") if ":" in part} >= {"seed", "lang", "colour"}
    assert "seed: String, not Int64" in said
