import json

import numpy as np
import polars as pl
from handed_on import hand_on, kept_images

from assets.captioned.config import CaptionedConfig
from assets.captioned.structured import ANNOTATIONS, caption_images
from assets.lake.ids import content_id
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, TEXTS
from models.common.pixels import encode_png
from models.common.progress import silent

CONFIG = CaptionedConfig(captioner="embedded")


def picture(level: int) -> bytes:
    return encode_png(np.full((30, 40, 3), level, np.uint8))


def prepare(lake: Lake, pictures: list[bytes]) -> list[str]:
    write_image_shard(
        lake, "images/b/shard-000.parquet", [StoredImage(p, "x.png", "c", "CC0") for p in pictures]
    )
    ids = [content_id(p) for p in pictures]
    origin = {"engine": "c", "template": None, "parameters": None, "seed": None, "parents": []}
    rows = [
        {"sample_id": f"s-{n}", "group_id": "g", "split": "train", "task": "t2i", "category": None}
        | {"subcategory": None, "source_ids": [], "target_id": image_id, "origin": origin, "license": "CC0"}
        for n, image_id in enumerate(ids)
    ]
    lake.write_table("samples/raw/b.parquet", pl.DataFrame(rows, schema=dict(SAMPLES)), SAMPLES)
    return ids


def test_kept_images_get_an_annotation_and_its_plain_text(lake: Lake):
    ids = prepare(lake, [picture(level) for level in (10, 128, 250)])
    hand_on(lake)
    visible = kept_images(lake, {ids[0]: "", ids[1]: "OPEN"})
    kept = visible.filter(pl.col("image_id").is_in(ids[:2]))
    output = caption_images(lake, kept, CONFIG, silent)
    texts = lake.read_table("texts/captioned.parquet", TEXTS)
    assert texts.select("sample_id", "kind", "model", "lang").rows() == [
        ("s-0", "structured", "embedded", "en"),
        ("s-1", "structured", "embedded", "en"),
    ]
    assert ['"OPEN"' in text for text in texts["text"]] == [False, True]
    annotations = lake.read_table("captions/structured.parquet", ANNOTATIONS)
    assert set(annotations["image_id"]) == set(ids[:2])
    assert all(json.loads(text)["captioner"] == "embedded" for text in annotations["annotation"])
    assert (output.rows, output.facts["images"], output.facts["with_text"]) == (2, 2, 1)
    assert output.preview is not None


def test_an_image_in_two_shards_is_captioned_once(lake: Lake):
    ids = prepare(lake, [picture(10)])
    write_image_shard(lake, "images/c/shard-000.parquet", [StoredImage(picture(10), "y.png", "c", "CC0")])
    hand_on(lake)
    output = caption_images(lake, kept_images(lake), CONFIG, silent)
    assert output.facts["images"] == len(ids) == 1


def test_captioning_twice_gives_equal_bytes(lake: Lake):
    ids = prepare(lake, [picture(level) for level in (10, 128, 250)])
    assert ids
    hand_on(lake)
    kept = kept_images(lake)
    outputs = [
        [lake.read_bytes(path) for path in caption_images(lake, order, CONFIG, silent).files]
        for order in (kept, kept.reverse())
    ]
    assert outputs[0] == outputs[1]


def test_nothing_kept_gives_empty_tables(lake: Lake):
    prepare(lake, [picture(10)])
    hand_on(lake)
    output = caption_images(lake, kept_images(lake).clear(), CONFIG, silent)
    assert output.rows == 0
    assert output.preview is None
    assert lake.read_table("texts/captioned.parquet", TEXTS).is_empty()
