"""What filtering hands on: the kept images, with their text-to-image samples and texts."""

from collections.abc import Sequence

import polars as pl

from assets.lake.images import read_image_table
from assets.lake.kept import KEPT_IMAGES, KEPT_IMAGES_PATH, KEPT_SAMPLES_PATH, KEPT_TEXTS_PATH
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS, VERDICTS, conform
from assets.measured.overlay_text import recognized_texts


def write_kept(lake: Lake, shards: Sequence[str]) -> tuple[str, ...]:
    """Writes `kept/images.parquet`, `kept/samples.parquet` and `kept/texts.parquet`; returns their paths.

    Args:
        lake: holds records, samples, texts, measures and the verdicts of deduplication and filtering.
        shards: of the ingested images.
    """
    samples = lake.read_tables("samples/raw", SAMPLES).unique("sample_id", keep="first", maintain_order=True)
    images = kept_images(lake, shards, samples)
    lake.write_table(KEPT_IMAGES_PATH, images, KEPT_IMAGES)
    own = samples.join(images, left_on="target_id", right_on="image_id", how="semi").sort("sample_id")
    lake.write_table(KEPT_SAMPLES_PATH, own, SAMPLES)
    texts = lake.read_tables("texts/raw", TEXTS).join(own, on="sample_id", how="semi")
    texts = texts.unique("text_id", keep="first", maintain_order=True).sort("text_id")
    lake.write_table(KEPT_TEXTS_PATH, texts, TEXTS)
    return KEPT_IMAGES_PATH, KEPT_SAMPLES_PATH, KEPT_TEXTS_PATH


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
    categories = samples.sort("sample_id").unique("target_id", keep="first", maintain_order=True)
    texts = recognized_texts(lake, shards)
    visible = pl.DataFrame(
        {"image_id": list(texts), "visible_text": list(texts.values())},
        schema={"image_id": pl.String(), "visible_text": pl.String()},
    )
    kept = (
        first.filter(~pl.col("image_id").is_in(pl.concat(dropped).implode()))
        .join(stored.select("image_id", "shard"), on="image_id")
        .join(
            categories.select(image_id="target_id", category="category", subcategory="subcategory"),
            on="image_id",
            how="left",
        )
        .join(visible, on="image_id", how="left")
    )
    return conform(kept.select(list(KEPT_IMAGES)).sort("image_id"), KEPT_IMAGES, KEPT_IMAGES_PATH)
