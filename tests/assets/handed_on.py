"""The tables that curation hands on, made from what a test has put into a lake."""

from collections.abc import Mapping

import polars as pl

from assets.lake.images import read_image_table
from assets.lake.kept import (
    IMAGE_SHARDS,
    KEPT_IMAGES,
    KEPT_IMAGES_PATH,
    KEPT_PAIR_TEXTS_PATH,
    KEPT_PAIRS_PATH,
    KEPT_SAMPLES_PATH,
    KEPT_TEXTS_PATH,
    PAIR_IMAGES_PATH,
    PAIR_SAMPLES_PATH,
    PAIR_TEXTS_PATH,
)
from assets.lake.lake import Lake
from assets.lake.paths import CAPTION_TEXTS
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS, empty


def kept_images(lake: Lake, visible_text: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Every stored image as KEPT_IMAGES; one that `visible_text` lacks was not read."""
    stored = read_image_table(lake, lake.list("images", ".parquet"))
    images = stored.unique("image_id", keep="first", maintain_order=True).sort("image_id")
    defaults = {"group_id": "g", "split": "train", "category": None, "subcategory": None}
    texts = [(visible_text or {}).get(image_id) for image_id in images["image_id"]]
    rows = images.with_columns(**{name: pl.lit(value) for name, value in defaults.items()})
    rows = rows.with_columns(visible_text=pl.Series(texts, dtype=pl.String))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in KEPT_IMAGES.items())


def hand_on(lake: Lake, visible_text: Mapping[str, str] | None = None) -> None:
    """Writes `kept/` and `pairs/` from the images, samples, texts and verdicts of pairs in a lake."""
    images = kept_images(lake, visible_text)
    samples = lake.read_tables("samples", SAMPLES)
    captions = lake.read_table(CAPTION_TEXTS, TEXTS) if lake.exists(CAPTION_TEXTS) else empty(TEXTS)
    texts = lake.read_tables("texts", TEXTS).join(captions, on="text_id", how="anti")
    dropped = lake.read_tables("verdicts", VERDICTS).filter(~pl.col("kept"))
    pairs = samples.filter(pl.col("task") == "i2i")
    kept = pairs.join(dropped, left_on="sample_id", right_on="id", how="anti")
    lake.write_table(KEPT_IMAGES_PATH, images, KEPT_IMAGES)
    lake.write_table(KEPT_SAMPLES_PATH, samples.filter(pl.col("task") == "t2i").sort("sample_id"), SAMPLES)
    lake.write_table(KEPT_TEXTS_PATH, texts, TEXTS)
    lake.write_table(CAPTION_TEXTS, captions, TEXTS)
    lake.write_table(PAIR_SAMPLES_PATH, pairs, SAMPLES)
    lake.write_table(PAIR_TEXTS_PATH, texts, TEXTS)
    lake.write_table(PAIR_IMAGES_PATH, images.select("image_id", "shard"), IMAGE_SHARDS)
    lake.write_table(KEPT_PAIRS_PATH, kept, SAMPLES)
    lake.write_table(KEPT_PAIR_TEXTS_PATH, empty(TEXTS), TEXTS)
