import numpy as np
import polars as pl
import pytest
from handed_on import hand_on, kept_images
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from small_lake import write

from assets.engine.measure import measure_shards
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.kept import COLLECTED_SAMPLES_PATH
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR, COVERAGE_PATH
from assets.lake.schemas import SAMPLES
from assets.longtail.config import LongtailConfig
from assets.longtail.coverage import (
    COVERAGE,
)
from assets.longtail.refill import (
    NoTemplateError,
    farthest_first,
    image_vectors,
    plan_refill,
    split_demand,
    thinnest_category,
)
from assets.measured.registry import descriptor_measure
from assets.synthesized.requests import edit_request
from assets.synthesized.templates.catalogue import TEMPLATES, templates_by_category
from benchmarks.scoring.demand import write_demand
from models.common.pixels import encode_png
from models.common.progress import silent
from models.descriptors.copy_descriptor import new_descriptor, save_descriptor

CONFIG = LongtailConfig(
    qdrant_url=None, collection="contract-test", min_similarity=0.9, exemplars=4, refill_pairs=3, demand=None
)
ALL = tuple(TEMPLATES)


def vectors_of(count: int, dimensions: int = 8) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(count, dimensions)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_every_category_of_the_catalogue_can_be_refilled():
    templates_of = templates_by_category(ALL)
    kinds = {template.kind.subcategory for template in TEMPLATES.values()}
    kinds |= {template.inverse.subcategory for template in TEMPLATES.values() if template.inverse}
    assert set(templates_of) == kinds
    assert templates_of["remove"] == [
        name for name, t in TEMPLATES.items() if t.inverse and t.inverse.subcategory == "remove"
    ]


def test_the_thinnest_category_is_the_one_with_fewest_samples_that_a_template_makes():
    rows = [("zoom", 1), ("text", 5), ("color", 4)]
    table = pl.DataFrame(rows, schema=["category", "count"], orient="row")
    assert thinnest_category(table, 7, ALL) == {"color": 7}
    assert thinnest_category(table, 0, ALL) == {}
    assert thinnest_category(table, 7, ["text_banner"]) == {"text": 7}
    assert thinnest_category(table.head(1), 7, ALL) == {}


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
        before, images, vectors, demand={"color": 4 * len(templates_by_category(ALL)["color"])}, templates=ALL
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


def images_in(shard: str, *image_ids: str) -> pl.DataFrame:
    return pl.DataFrame({"image_id": list(image_ids), "shard": [shard] * len(image_ids)})


def test_vectors_of_images_come_in_the_order_that_is_asked_for(lake: Lake):
    shard = "images/b/shard-000.parquet"
    pictures = [
        StoredImage(encode_png(np.full((80, 80, 3), n * 60, np.uint8)), str(n), "t", "x") for n in range(3)
    ]
    write_image_shard(lake, shard, pictures)
    folder = lake.local_path(COPY_DESCRIPTOR)
    save_descriptor(new_descriptor(0), folder)
    measure_shards(lake, [shard], [descriptor_measure(folder)], workers=1, progress=silent)
    found = image_vectors(lake, images_in(shard, pictures[2].image_id, pictures[0].image_id))
    expected = new_descriptor(0).eval().describe(np.full((1, 64, 64, 3), 120, np.uint8))
    assert np.allclose(found[:1], expected, atol=1e-5)
    assert found.shape == (2, 128)
    with pytest.raises(KeyError):
        image_vectors(lake, images_in(shard, "no such image"))


def test_a_demand_that_no_template_meets_is_refused():
    with pytest.raises(NoTemplateError) as caught:
        plan_refill([], images_of(3), vectors_of(3), demand={"origami": 1}, templates=ALL)
    assert caught.value.category == "origami"


@given(npst.arrays(np.float32, (6, 3), elements=st.floats(-1, 1, width=32)), st.sets(st.integers(0, 5)))
def test_spread_yields_every_unused_row_once_and_the_farthest_first(vectors, used):
    rows = list(farthest_first(vectors, sorted(used)))
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
    hand_on(lake)
    kept = kept_images(lake)
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
    collected = {"sample_id": "own", "task": "i2i", "split": "train", "category": "color"}
    write(lake, COLLECTED_SAMPLES_PATH, SAMPLES, collected)
    output = refill(lake, kept, CONFIG, engine, workers=1, progress=silent)
    assert output.facts["demand"] == {"color": 3}
    assert output.facts["coverage"] == {
        "color": {"before": 3, "after": 6},
        "lowlevel": {"before": 4, "after": 4},
    }
    assert output.facts["not_made"] == {}
    old, new = (lake.read_table(f"samples/{name}.parquet", SAMPLES) for name in ("synthesized", "longtail"))
    assert not set(new["sample_id"]) & set(old["sample_id"])
    write_demand(tmp_path / "demand.json", {"demand": {"lowlevel": 2, "origami": 5}})
    demand = CONFIG.model_copy(update={"demand": tmp_path / "demand.json"})
    output = refill(lake, kept, demand, engine, workers=1, progress=silent)
    assert (output.facts["demand"], output.facts["not_made"]) == ({"lowlevel": 2}, {"origami": 5})
    assert output.facts["coverage"]["lowlevel"] == {"before": 4, "after": 6}


def test_the_content_of_a_demand_file_decides_a_refill_and_its_place_does_not(tmp_path):
    def decides(name: str, pairs: int) -> str:
        write_demand(tmp_path / name, {"demand": {"text": pairs}})
        return CONFIG.model_copy(update={"demand": tmp_path / name}).model_dump(mode="json")["demand"]

    assert decides("a.json", 1) == decides("b.json", 1) != decides("a.json", 2)
    assert CONFIG.model_dump(mode="json")["demand"] is None
    with pytest.raises(ValueError, match="is not a valid demand file"):
        split_demand(pl.DataFrame(), CONFIG.model_copy(update={"demand": tmp_path / "none.json"}), ALL)
