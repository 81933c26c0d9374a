"""What long-tail supplementation hands on: all pairs: collected, synthesized, and those of the refill."""

from collections.abc import Sequence

import polars as pl

from assets.lake.images import read_image_table
from assets.lake.kept import (
    COLLECTED_IMAGES_PATH,
    COLLECTED_SAMPLES_PATH,
    COLLECTED_TEXTS_PATH,
    IMAGE_SHARDS,
    PAIR_IMAGES_PATH,
    PAIR_SAMPLES_PATH,
    PAIR_TEXTS_PATH,
    read_kept_images,
    used_images,
)
from assets.lake.lake import Lake
from assets.lake.paths import REFILL_SAMPLES, REFILL_TEXTS, SYNTHESIZED_SAMPLES, SYNTHESIZED_TEXTS
from assets.lake.schemas import SAMPLES, TEXTS


def write_pairs(lake: Lake, shards: Sequence[str]) -> tuple[str, ...]:
    """Writes `pairs/samples.parquet`, `pairs/texts.parquet` and `pairs/images.parquet`; returns their paths.

    Args:
        lake: holds the samples and texts of the pairs, and the kept images that they were made from.
        shards: image shards of all targets.
    """
    samples = pl.concat(
        lake.read_table(path, SAMPLES)
        for path in (COLLECTED_SAMPLES_PATH, REFILL_SAMPLES, SYNTHESIZED_SAMPLES)
    )
    texts = pl.concat(
        lake.read_table(path, TEXTS) for path in (COLLECTED_TEXTS_PATH, REFILL_TEXTS, SYNTHESIZED_TEXTS)
    )
    lake.write_table(PAIR_SAMPLES_PATH, samples, SAMPLES)
    lake.write_table(PAIR_TEXTS_PATH, texts, TEXTS)
    collected = lake.read_table(COLLECTED_IMAGES_PATH, IMAGE_SHARDS)
    stored = [read_kept_images(lake), collected, read_image_table(lake, sorted(shards))]
    images = pl.concat(table.select("image_id", "shard") for table in stored)
    used = pl.DataFrame({"image_id": used_images(samples)}, schema={"image_id": pl.String()})
    images = images.unique("image_id", keep="first", maintain_order=True).join(
        used, on="image_id", how="semi"
    )
    lake.write_table(PAIR_IMAGES_PATH, images.sort("image_id"), IMAGE_SHARDS)
    return PAIR_SAMPLES_PATH, PAIR_TEXTS_PATH, PAIR_IMAGES_PATH
