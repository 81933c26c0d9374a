import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from handed_on import hand_on
from skimage import data

from assets.dedup.clusters import CLUSTERS
from assets.dedup.config import PairsConfig
from assets.dedup.deduplicate import deduplicate_edits
from assets.engine.measure import measure_shards, read_ledger
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.paths import CLUSTERS_PATH, COPY_DESCRIPTOR, DEDUPED_PAIRS
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS
from assets.measured.pairs import compare, measure_edits
from assets.measured.thumbnail import THUMBNAIL
from models.common.pixels import encode_jpeg, encode_png
from models.common.progress import silent
from models.descriptors.copy_descriptor import new_descriptor, save_descriptor

CONFIG = PairsConfig(
    identity_max_change=0.01,
    unrelated_max_similarity=2 - 1,  # an untrained descriptor finds everything alike
    unrelated_max_ssim=0.4,
    unrelated_exempt=("compose",),
    near_duplicate_max_rmse=2.0,
)
COFFEE, CAT = data.coffee()[:200, :200], data.chelsea()[:200, :200]
LOCAL = COFFEE.copy()
LOCAL[90:110, 90:110] = (255, 0, 0)
PICTURES = {
    "coffee": COFFEE,
    "copy of coffee": np.clip(COFFEE.astype(int) + 1, 0, 255).astype(np.uint8),
    "cat": CAT,
    "local": LOCAL,
    "local again": cv2.GaussianBlur(LOCAL, (3, 3), 0.3),
    "grey": cv2.cvtColor(cv2.cvtColor(COFFEE, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
}
IMAGES = {name: StoredImage(encode_png(pixels), name, "test", "CC0-1.0") for name, pixels in PICTURES.items()}
ID = {name: image.image_id for name, image in IMAGES.items()}


def sample(name: str, source: str, target: str, template: str, subcategory: str = "color") -> dict:
    return {
        "sample_id": name,
        "group_id": "g",
        "split": "train",
        "task": "i2i",
        "category": "stylistic",
        "subcategory": subcategory,
        "source_ids": [ID[source]],
        "target_id": ID[target],
        "origin": {"engine": "t", "template": template, "parameters": None, "seed": None, "parents": []},
        "license": "CC0-1.0",
    }


SAMPLES_OF = {
    "1 identity": sample("1 identity", "coffee", "copy of coffee", "saturate"),
    "2 unrelated": sample("2 unrelated", "coffee", "cat", "mirror"),
    "3 exempt": sample("3 exempt", "coffee", "cat", "side_by_side", "compose"),
    "4 local": sample("4 local", "coffee", "local", "disc"),
    "5 again": sample("5 again", "coffee", "local again", "disc"),
    "6 other edit": sample("6 other edit", "coffee", "grey", "grayscale"),
    "7 same target": sample("7 same target", "coffee", "grey", "sepia"),
}


@pytest.fixture
def filled(lake: Lake) -> Lake:
    shard = "images/b/shard-000.parquet"
    write_image_shard(lake, shard, IMAGES.values())
    measure_shards(lake, [shard], [THUMBNAIL], workers=1, progress=silent)
    save_descriptor(new_descriptor(0), Path(lake.local_path(COPY_DESCRIPTOR)))
    lake.write_table(CLUSTERS_PATH, pl.DataFrame(schema=dict(CLUSTERS)), CLUSTERS)
    t2i = {**SAMPLES_OF["4 local"], "sample_id": "0 text to image", "task": "t2i", "source_ids": []}
    table = pl.DataFrame([t2i, *SAMPLES_OF.values()], schema=dict(SAMPLES), orient="row")
    lake.write_table("samples/b.parquet", table, SAMPLES)
    lake.write_table("texts/b.parquet", pl.DataFrame(schema=dict(TEXTS)), TEXTS)
    hand_on(lake)
    return lake


def verdicts(lake: Lake, config: PairsConfig = CONFIG) -> dict[str, str | None]:
    deduplicate_edits(lake, config, workers=1, progress=silent)
    table = lake.read_table(DEDUPED_PAIRS, VERDICTS)
    return dict(table.select("id", "rule").iter_rows())


def test_edits_that_change_nothing_everything_or_nothing_new_are_dropped(filled):
    assert verdicts(filled) == {
        "1 identity": "identity",
        "2 unrelated": "unrelated",
        "3 exempt": None,
        "4 local": None,
        "5 again": "near_duplicate_pair",
        "6 other edit": None,
        "7 same target": "near_duplicate_pair",
    }


def test_a_new_threshold_decides_again_without_measuring_again(filled):
    verdicts(filled)
    before = read_ledger(filled)
    strict = CONFIG.model_copy(update={"identity_max_change": 0.9})
    assert set(verdicts(filled, strict).values()) == {"identity"}
    assert read_ledger(filled).equals(before)


def test_a_killed_measurement_goes_on_and_leaves_the_same_table(filled):
    samples = filled.read_tables("samples", SAMPLES)
    first = measure_edits(filled, samples, workers=1, progress=silent)
    table, entry = sorted(filled.list("measures/pairs@1-" + _version(filled)), reverse=True)
    whole = filled.read_bytes(table)
    filled.delete(entry)  # killed between the table and its entry
    assert measure_edits(filled, samples, workers=1, progress=silent).equals(first)
    assert filled.read_bytes(table) == whole


def test_other_samples_in_a_shard_are_measured_and_not_mistaken_for_the_old_ones(filled):
    samples = filled.read_tables("samples", SAMPLES)
    measure_edits(filled, samples, workers=1, progress=silent)
    fewer = measure_edits(filled, samples.tail(2), workers=1, progress=silent)
    assert fewer["id"].to_list() == ["6 other edit", "7 same target"]


def test_an_edit_and_its_inversion_have_the_same_figures_from_one_comparison(filled, monkeypatch):
    from assets.measured import pairs

    calls = []
    monkeypatch.setattr(pairs, "compare", lambda *sides: calls.append(sides) or compare(*sides))
    forward = SAMPLES_OF["4 local"]
    swapped = {**forward, "sample_id": "9", "source_ids": [forward["target_id"]], "target_id": ID["coffee"]}
    table = pl.DataFrame([forward, swapped], schema=dict(SAMPLES), orient="row")
    measured = measure_edits(filled, table, workers=1, progress=silent)
    assert len(calls) == 1
    assert measured.drop("id").row(0) == measured.drop("id").row(1)
    assert measured["error"].to_list() == [None, None]


def test_duplicate_sources_count_as_one(filled):
    rows = [SAMPLES_OF["6 other edit"], {**SAMPLES_OF["6 other edit"], "sample_id": "8 twin"}]
    rows[1]["source_ids"] = [ID["copy of coffee"]]
    filled.write_table("samples/b.parquet", pl.DataFrame(rows, schema=dict(SAMPLES), orient="row"), SAMPLES)
    hand_on(filled)
    twin = {"image_id": ID["copy of coffee"], "cluster_id": ID["coffee"], "kept_id": ID["coffee"]}
    filled.write_table(CLUSTERS_PATH, pl.DataFrame([twin], schema=dict(CLUSTERS), orient="row"), CLUSTERS)
    assert verdicts(filled) == {"6 other edit": None, "8 twin": "near_duplicate_pair"}


def test_edits_without_a_template_are_told_apart_by_their_original_instruction(filled):
    rows = [
        {**SAMPLES_OF[name], "origin": {**SAMPLES_OF[name]["origin"], "template": None}}
        for name in ("4 local", "5 again")
    ]
    filled.write_table("samples/b.parquet", pl.DataFrame(rows, schema=dict(SAMPLES), orient="row"), SAMPLES)
    hand_on(filled)
    blank = dict.fromkeys(TEXTS)
    texts = [
        {**blank, "text_id": name, "sample_id": name, "kind": "original", "lang": "en", "text": text}
        for name, text in (("4 local", "add a red square"), ("5 again", "blur a little"))
    ]
    filled.write_table("texts/b.parquet", pl.DataFrame(texts, schema=dict(TEXTS), orient="row"), TEXTS)
    hand_on(filled)
    assert set(verdicts(filled).values()) == {None}


def test_a_picture_that_does_not_decode_fails_no_rule_and_says_why(filled):
    broken = StoredImage(encode_jpeg(CAT, 90)[:-2000], "broken", "test", "CC0-1.0")
    write_image_shard(filled, "images/c/shard-000.parquet", [broken])
    hand_on(filled)
    row = {**SAMPLES_OF["4 local"], "target_id": broken.image_id, "sample_id": "9 broken"}
    table = pl.DataFrame([row], schema=dict(SAMPLES), orient="row")
    measured = measure_edits(filled, table, workers=1, progress=silent)
    assert measured["psnr"].to_list() == [None]
    assert "do not decode" in measured["error"][0]


def test_pictures_of_two_sizes_are_compared_at_the_smaller_one_either_way():
    smaller = cv2.resize(COFFEE, (100, 100), interpolation=cv2.INTER_AREA)
    assert compare(COFFEE, smaller)["psnr"] > 40
    assert compare(COFFEE, smaller) == compare(smaller, COFFEE)
    assert json.dumps(compare(COFFEE, COFFEE))  # plain numbers


def _version(lake: Lake) -> str:
    from models.descriptors.copy_descriptor import weights_digest

    return weights_digest(Path(lake.local_path(COPY_DESCRIPTOR)))
