import os
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from assets.engine.measure import measure_shards
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR, COVERAGE_PATH
from assets.lake.schemas import SAMPLES, TEXTS
from assets.longtail.config import LongtailConfig
from assets.longtail.coverage import (
    COVERAGE,
    counts_by_category,
    coverage_table,
    distinct_instructions,
    training_edits,
)
from assets.longtail.index import Instruction, new_index, open_index
from assets.longtail.refill import fillable, image_vectors, plan_refill, spread, thinnest, wanted
from assets.measured.descriptor import descriptor_measure
from assets.synthesized.requests import edit_request
from assets.synthesized.templates.catalogue import TEMPLATES
from benchmarks.report.demand import write_demand
from models.common.pixels import encode_png
from models.common.progress import silent
from models.descriptors.copy_descriptor import new_descriptor, save_descriptor

CONFIG = LongtailConfig(
    qdrant_url=None, collection="contract-test", min_similarity=0.9, exemplars=4, refill_pairs=3, demand=None
)
ALL = tuple(TEMPLATES)
SERVER = os.environ.get("QDRANT_URL")
BACKENDS = [
    None,
    pytest.param(SERVER, marks=pytest.mark.skipif(not SERVER, reason="QDRANT_URL names no server")),
]


def vectors_of(count: int, dimensions: int = 8) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(count, dimensions)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def instructions_of(count: int) -> list[Instruction]:
    return [Instruction(f"do {n}", "en", "color" if n % 3 else "text", "t", n + 1) for n in range(count)]


@pytest.fixture(params=BACKENDS)
def config(request) -> LongtailConfig:
    return CONFIG.model_copy(update={"qdrant_url": request.param})


# The contract of every backend.


def test_an_instruction_indexed_twice_counts_once(lake: Lake, config):
    with new_index(lake, config, 8) as index:
        for _ in range(2):
            index.upsert(instructions_of(10), vectors_of(10), silent)
        assert index.count() == 10
        assert (index.count("text"), index.count("color"), index.count("none")) == (4, 6, 0)


def test_density_counts_all_instructions_within_the_cosine(lake: Lake, config):
    vectors = vectors_of(60)
    with new_index(lake, config, 8) as index:
        index.upsert(instructions_of(60), vectors, silent)
        found = index.density(vectors[:9], 0.4)
    assert found.tolist() == ((vectors[:9] @ vectors.T) >= 0.4).sum(1).tolist()


def test_what_was_indexed_is_there_when_the_index_is_opened_again(lake: Lake, config):
    with new_index(lake, config, 8) as index:
        index.upsert(instructions_of(5), vectors_of(5), silent)
    with open_index(lake, config) as index:
        assert index.count() == 5


def test_a_new_index_holds_nothing_of_one_that_was_killed(lake: Lake, config):
    def kill(what, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), new_index(lake, config, 8) as index:
        index.upsert(instructions_of(5), vectors_of(5), kill)
    with new_index(lake, config, 8) as index:
        assert index.count() == 0


# Local mode alone.


def test_files_that_a_kill_left_broken_do_not_stop_a_new_index(lake: Lake):
    folder = lake.local_path("qdrant")
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"collections": {"contr')
    with new_index(lake, CONFIG, 8) as index:
        assert index.count() == 0


@contextmanager
def indexed(lake, instructions, vectors):
    with new_index(lake, CONFIG, vectors.shape[1]) as index:
        index.upsert(instructions, vectors, silent)
        yield index


def sample(name: str, category: str | None, template: str, split="train", task="i2i") -> dict:
    return {
        "sample_id": name,
        "group_id": "g",
        "split": split,
        "task": task,
        "category": "stylistic",
        "subcategory": category,
        "source_ids": ["s"],
        "target_id": "t",
        "origin": {"engine": "t", "template": template, "parameters": "{}", "seed": 0, "parents": []},
        "license": "x",
    }


ROWS = [
    sample("a", "color", "sepia"),
    sample("b", "color", "sepia"),
    sample("c", "color", "warmer"),
    sample("d", "text", "text_banner"),
    sample("e", None, "zoom"),
    sample("f", "text", "text_banner", split="heldout"),
    sample("g", "text", "text_banner", task="t2i"),
]
SAID = [
    ("a", "en", "sepia please"),
    ("b", "en", "sepia please"),
    ("a", "zh", "棕褐色"),
    ("c", "en", "warm it"),
]
SAID += [("d", "en", "write SALE"), ("f", "en", "write OPEN"), ("e", "en", "zoom in")]


def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    blank = dict.fromkeys(TEXTS)
    texts = [
        {
            **blank,
            "text_id": f"{name}{lang}",
            "sample_id": name,
            "kind": "concise",
            "lang": lang,
            "text": text,
        }
        for name, lang, text in SAID
    ]
    return (
        pl.DataFrame(ROWS, schema=dict(SAMPLES), orient="row"),
        pl.DataFrame(texts, schema=dict(TEXTS), orient="row"),
    )


def test_coverage_counts_training_edits_and_distinct_english_texts(lake: Lake):
    samples, texts = tables()
    edits = training_edits(samples)
    instructions = distinct_instructions(edits, texts)
    assert [(each.text, each.samples) for each in instructions] == [
        ("sepia please", 2),
        ("warm it", 1),
        ("write SALE", 1),
        ("zoom in", 1),
    ]
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]  # the two colour texts are neighbours
    with indexed(lake, instructions, vectors) as index:
        table = coverage_table(edits, instructions, vectors, index, CONFIG)
    assert table.schema == pl.Schema(dict(COVERAGE))
    assert table.rows() == [("stylistic", 1, 1, 1, 1.0), ("text", 1, 1, 1, 1.0), ("color", 3, 2, 2, 2.0)]
    assert counts_by_category(samples) == {"color": 3, "stylistic": 1, "text": 1}


def test_measured_coverage_is_the_same_whatever_was_there_before(lake: Lake, monkeypatch):
    from assets.longtail import coverage

    def vectors(lake, texts, encoder_path, progress):
        return {text: vectors_of(64, 16)[len(text)] for text in texts}

    monkeypatch.setattr(coverage, "sentence_vectors", vectors)
    samples, texts = tables()
    lake.write_table("samples/a.parquet", samples, SAMPLES)
    lake.write_table("texts/a.parquet", texts, TEXTS)
    coverage.measure_coverage(lake, CONFIG, None, silent)
    first = lake.read_bytes(COVERAGE_PATH)
    output = coverage.measure_coverage(lake, CONFIG, None, silent)
    assert lake.read_bytes(COVERAGE_PATH) == first
    lake.write_table("samples/longtail.parquet", samples, SAMPLES)  # what an earlier refill made
    coverage.measure_coverage(lake, CONFIG, None, silent)
    assert lake.read_bytes(COVERAGE_PATH) == first
    assert {row["category"]: row["count"] for row in output.facts["coverage"]} == {
        "stylistic": 1,
        "text": 1,
        "color": 3,
    }


def test_every_category_of_the_catalogue_can_be_refilled():
    makers = fillable(ALL)
    kinds = {template.kind.subcategory for template in TEMPLATES.values()}
    kinds |= {template.inverse.subcategory for template in TEMPLATES.values() if template.inverse}
    assert set(makers) == kinds
    assert makers["remove"] == [
        name for name, t in TEMPLATES.items() if t.inverse and t.inverse.subcategory == "remove"
    ]


def test_the_thinnest_category_is_the_one_with_fewest_samples_that_a_template_makes():
    rows = [("zoom", 1), ("text", 5), ("color", 4)]
    table = pl.DataFrame(rows, schema=["category", "count"], orient="row")
    assert thinnest(table, 7, ALL) == {"color": 7}
    assert thinnest(table, 0, ALL) == {}
    assert thinnest(table, 7, ["text_banner"]) == {"text": 7}
    assert thinnest(table.head(1), 7, ALL) == {}


def images_of(count: int, groups: int = 2) -> pl.DataFrame:
    rows = [
        {
            "image_id": f"{n:02d}",
            "group_id": f"g{n % groups}",
            "split": "heldout" if n == 0 else "train",
            "license": "CC0-1.0",
        }
        for n in range(count)
    ]
    return pl.DataFrame(rows)


def test_a_refill_takes_images_least_like_those_used_before_and_none_held_out():
    images = images_of(4)
    vectors = np.array([[0, -1], [1, 0], [0.8, 0.6], [-1, 0]], np.float32)
    before = [edit_request("sepia", [images.row(1, named=True)])]
    requests = plan_refill(
        before, images, vectors, demand={"color": 4 * len(fillable(ALL)["color"])}, templates=ALL
    )
    sepia = [request.source_ids for request in requests if request.template == "sepia"]
    assert sepia == [("03",), ("02",)]
    assert {request.split for request in requests} == {"train"}


def test_a_refill_meets_the_demand_in_turn_over_the_templates():
    requests = plan_refill(
        [], images_of(9), vectors_of(9), demand={"lowlevel": 5, "compose": 2}, templates=ALL
    )
    names = [request.template for request in requests]
    assert len(names) == 7
    assert names.count("side_by_side") == 2
    assert {names.count("blur"), names.count("pixelate")} == {2, 3}
    assert len({request.key for request in requests}) == 7


def test_partners_come_from_the_group_of_the_first_source():
    images = images_of(9, groups=3)
    group = dict(images.select("image_id", "group_id").iter_rows())
    requests = plan_refill([], images, vectors_of(9), demand={"compose": 6}, templates=ALL)
    assert requests
    assert all(len({group[source] for source in request.source_ids}) == 1 for request in requests)


def test_vectors_of_images_come_in_the_order_that_is_asked_for(lake: Lake):
    shard = "images/b/shard-000.parquet"
    pictures = [
        StoredImage(encode_png(np.full((80, 80, 3), n * 60, np.uint8)), str(n), "t", "x") for n in range(3)
    ]
    write_image_shard(lake, shard, pictures)
    folder = lake.local_path(COPY_DESCRIPTOR)
    save_descriptor(new_descriptor(0), folder)
    measure_shards(lake, [shard], [descriptor_measure(folder)], workers=1, progress=silent)
    found = image_vectors(lake, [shard], [pictures[2].image_id, pictures[0].image_id])
    expected = new_descriptor(0).eval().describe(np.full((1, 64, 64, 3), 120, np.uint8))
    assert np.allclose(found[:1], expected, atol=1e-5)
    assert found.shape == (2, 128)
    with pytest.raises(KeyError):
        image_vectors(lake, [shard], ["no such image"])


def test_a_demand_that_no_template_meets_is_refused():
    with pytest.raises(ValueError, match="No template makes origami edits"):
        plan_refill([], images_of(3), vectors_of(3), demand={"origami": 1}, templates=ALL)


@given(npst.arrays(np.float32, (6, 3), elements=st.floats(-1, 1, width=32)), st.sets(st.integers(0, 5)))
def test_spread_yields_every_unused_row_once_and_the_farthest_first(vectors, used):
    rows = list(spread(vectors, sorted(used)))
    assert sorted(rows) == sorted(set(range(6)) - used)
    if used and rows:
        nearest = (vectors @ vectors[sorted(used)].T).max(1)
        assert nearest[rows[0]] == min(nearest[row] for row in rows)


def test_a_refill_round_makes_the_pairs_and_counts_them(lake: Lake, tmp_path):
    from assets.longtail.refill import refill
    from assets.synthesized.config import SynthesizedConfig
    from assets.synthesized.requests import plan_requests
    from assets.synthesized.synthesize import synthesize

    shard = "images/b/shard-000.parquet"
    generator = np.random.default_rng(0)
    pictures = [
        StoredImage(encode_png(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)), str(n), "t", "x")
        for n in range(6)
    ]
    write_image_shard(lake, shard, pictures)
    folder = lake.local_path(COPY_DESCRIPTOR)
    save_descriptor(new_descriptor(0), folder)
    measure_shards(lake, [shard], [descriptor_measure(folder)], workers=1, progress=silent)
    kept = pl.DataFrame(
        [
            {"image_id": picture.image_id, "group_id": "g", "split": "train", "license": "x"}
            for picture in pictures
        ]
    )
    engine = SynthesizedConfig(
        seed=0,
        templates=("blur", "grayscale", "pixelate"),
        train_pairs=6,
        heldout_pairs=0,
        long_side=64,
        pairs_per_shard=8,
    )
    synthesize(lake, plan_requests(kept, engine), "synthesized", engine, workers=1, progress=silent)
    table = [{"category": "color", "count": 2, "templates": 1, "instructions": 1, "density": 1.0}]
    table += [{"category": "lowlevel", "count": 4, "templates": 2, "instructions": 1, "density": 1.0}]
    lake.write_table(COVERAGE_PATH, pl.DataFrame(table, schema=dict(COVERAGE)), COVERAGE)
    output = refill(lake, kept, [shard], CONFIG, engine, workers=1, progress=silent)
    assert output.facts["demand"] == {"color": 3}
    assert output.facts["coverage"] == {
        "color": {"before": 2, "after": 5},
        "lowlevel": {"before": 4, "after": 4},
    }
    assert output.facts["not_made"] == {}
    old, new = (lake.read_table(f"samples/{name}.parquet", SAMPLES) for name in ("synthesized", "longtail"))
    assert not set(new["sample_id"]) & set(old["sample_id"])
    write_demand(tmp_path / "demand.json", {"demand": {"lowlevel": 2, "origami": 5}})
    asked = CONFIG.model_copy(update={"demand": tmp_path / "demand.json"})
    output = refill(lake, kept, [shard], asked, engine, workers=1, progress=silent)
    assert (output.facts["demand"], output.facts["not_made"]) == ({"lowlevel": 2}, {"origami": 5})
    assert output.facts["coverage"]["lowlevel"] == {"before": 4, "after": 6}


def test_the_content_of_a_demand_file_decides_a_refill_and_its_place_does_not(tmp_path):
    def decides(name: str, pairs: int) -> str:
        write_demand(tmp_path / name, {"demand": {"text": pairs}})
        return CONFIG.model_copy(update={"demand": tmp_path / name}).model_dump(mode="json")["demand"]

    assert decides("a.json", 1) == decides("b.json", 1) != decides("a.json", 2)
    assert CONFIG.model_dump(mode="json")["demand"] is None
    with pytest.raises(ValueError, match="is no demand of a benchmark"):
        wanted(pl.DataFrame(), CONFIG.model_copy(update={"demand": tmp_path / "none.json"}), ALL)
