"""What filtering hands on: the kept images with their samples and texts, and the collected edits."""

from collections.abc import Sequence

import polars as pl

from assets.lake.images import read_image_table, read_ingested_images
from assets.lake.kept import (
    COLLECTED_IMAGES_PATH,
    COLLECTED_SAMPLES_PATH,
    COLLECTED_TEXTS_PATH,
    IMAGE_SHARDS,
    KEPT_IMAGES,
    KEPT_IMAGES_PATH,
    KEPT_SAMPLES_PATH,
    KEPT_TEXTS_PATH,
    image_categories,
    used_images,
    without_dropped,
)
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS, VERDICTS, conform
from assets.measured.overlay_text import recognized_texts

TEXTS_OF = {KEPT_SAMPLES_PATH: KEPT_TEXTS_PATH, COLLECTED_SAMPLES_PATH: COLLECTED_TEXTS_PATH}
"""The table of texts of each table of samples."""


def write_kept(lake: Lake, shards: Sequence[str]) -> tuple[str, ...]:
    """Writes the kept images, samples and texts, and the collected edits; returns the paths of the tables.

    Args:
        lake: holds records, samples, texts, measures and the verdicts of deduplication and filtering.
        shards: of the ingested images.
    """
    samples = lake.read_tables("samples/raw", SAMPLES).unique("sample_id", keep="first", maintain_order=True)
    images = kept_images(lake, shards, samples)
    lake.write_table(KEPT_IMAGES_PATH, images, KEPT_IMAGES)
    own = samples.filter(task="t2i").join(images, left_on="target_id", right_on="image_id", how="semi")
    texts = lake.read_tables("texts/raw", TEXTS).unique("text_id", keep="first", maintain_order=True)
    for path, table in ((KEPT_SAMPLES_PATH, own), (COLLECTED_SAMPLES_PATH, collected_edits(lake, samples))):
        lake.write_table(path, table.sort("sample_id"), SAMPLES)
        their = texts.join(table, on="sample_id", how="semi").sort("text_id")
        lake.write_table(TEXTS_OF[path], their, TEXTS)
    used = used_images(lake.read_table(COLLECTED_SAMPLES_PATH, SAMPLES))
    stored = read_ingested_images(lake, sorted(shards)).select("image_id", "shard")
    shown = stored.filter(pl.col("image_id").is_in(list(used))).sort("image_id")
    lake.write_table(COLLECTED_IMAGES_PATH, shown, IMAGE_SHARDS)
    return KEPT_IMAGES_PATH, *TEXTS_OF, *TEXTS_OF.values(), COLLECTED_IMAGES_PATH


def collected_edits(lake: Lake, samples: pl.DataFrame) -> pl.DataFrame:
    """Returns the edits among SAMPLES of which no image is dropped by a filter.

    Level 1 of deduplication does not decide here: an edit's target is nearly a copy of its source. Levels 2
    and 3 compare edits as wholes.
    """
    return without_dropped(samples.filter(task="i2i"), lake.read_table(FILTERED, VERDICTS))


def kept_images(lake: Lake, shards: Sequence[str], samples: pl.DataFrame) -> pl.DataFrame:
    """Returns KEPT_IMAGES: each image that neither deduplication nor a filter drops, sorted by id.

    Of several files with equal bytes, the first by corpus and path decides group, split and licence.
    """
    dropped = [lake.read_table(path, VERDICTS).filter(~pl.col("kept"))["id"] for path in (DEDUPED, FILTERED)]
    first = (
        lake.read_tables("records", RECORDS)
        .drop_nulls("image_id")
        .sort("image_id", "corpus", "path")
        .unique("image_id", keep="first", maintain_order=True)
    )
    stored = read_image_table(lake, sorted(shards)).unique("image_id", keep="first", maintain_order=True)
    texts = recognized_texts(lake, shards)
    visible = pl.DataFrame(
        {"image_id": list(texts), "visible_text": list(texts.values())},
        schema={"image_id": pl.String(), "visible_text": pl.String()},
    )
    kept = (
        first.filter(~pl.col("image_id").is_in(pl.concat(dropped).implode()))
        .join(stored.select("image_id", "shard"), on="image_id")
        .join(image_categories(samples), on="image_id", how="left")
        .join(visible, on="image_id", how="left")
    )
    return conform(kept.select(list(KEPT_IMAGES)).sort("image_id"), KEPT_IMAGES, KEPT_IMAGES_PATH)
