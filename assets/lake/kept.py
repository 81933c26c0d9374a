"""The kept tables, which curation hands on, with all columns that later stages need.

`filtered` writes the kept images with their text-to-image samples and texts, and the collected edits;
`longtail` writes all pairs, and `postfiltered` writes the kept pairs. So later stages do not read
earlier assets.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from assets.lake.lake import Lake
from assets.lake.paths import CAPTION_TEXTS
from assets.lake.schemas import SAMPLES, TEXTS

KEPT_IMAGES_PATH = "kept/images.parquet"
KEPT_SAMPLES_PATH = "kept/samples.parquet"
KEPT_TEXTS_PATH = "kept/texts.parquet"
COLLECTED_SAMPLES_PATH = "kept/collected_samples.parquet"
COLLECTED_TEXTS_PATH = "kept/collected_texts.parquet"
COLLECTED_IMAGES_PATH = "kept/collected_images.parquet"
COLLECTED = "kept/collected_*"
"""The edits of the corpora whose images pass the filters, their texts, and the shards of the images."""

KEPT_PAIRS_PATH = "kept/pairs.parquet"
KEPT_PAIR_TEXTS_PATH = "kept/pair_texts.parquet"

PAIR_SAMPLES_PATH = "pairs/samples.parquet"
PAIR_TEXTS_PATH = "pairs/texts.parquet"
PAIR_IMAGES_PATH = "pairs/images.parquet"

KEPT_IMAGES: Mapping[str, pl.DataType] = {
    "image_id": pl.String(),
    "shard": pl.String(),  # path of the image shard that holds its bytes
    "group_id": pl.String(),
    "split": pl.Enum(("train", "heldout")),
    "license": pl.String(),
    "corpus": pl.String(),
    "category": pl.String(),
    "subcategory": pl.String(),
    "visible_text": pl.String(),  # read by OCR; empty without text, null if not measured
}

IMAGE_SHARDS: Mapping[str, pl.DataType] = {"image_id": pl.String(), "shard": pl.String()}


def read_kept_images(lake: Lake) -> pl.DataFrame:
    """Returns KEPT_IMAGES with one row per image, sorted by id."""
    return lake.read_table(KEPT_IMAGES_PATH, KEPT_IMAGES)


def read_pairs(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the SAMPLES and TEXTS of all pairs: collected, synthesized, and those of the refill."""
    return lake.read_table(PAIR_SAMPLES_PATH, SAMPLES), lake.read_table(PAIR_TEXTS_PATH, TEXTS)


def read_kept_samples(lake: Lake) -> pl.DataFrame:
    """Returns the SAMPLES for the mixtures: kept text-to-image samples and kept pairs, sorted by id."""
    tables = [lake.read_table(path, SAMPLES) for path in (KEPT_PAIRS_PATH, KEPT_SAMPLES_PATH)]
    return pl.concat(tables).unique("sample_id", keep="first", maintain_order=True).sort("sample_id")


def read_kept_texts(lake: Lake) -> pl.DataFrame:
    """Returns the TEXTS of kept samples: captions, instructions, and the original texts of images."""
    tables = [lake.read_table(path, TEXTS) for path in (CAPTION_TEXTS, KEPT_PAIR_TEXTS_PATH, KEPT_TEXTS_PATH)]
    return pl.concat(tables).unique("text_id", keep="first", maintain_order=True)


def image_shards(lake: Lake, *paths: str) -> dict[str, str]:
    """Returns the shard of each image in some tables of the schema KEPT_IMAGES or IMAGE_SHARDS."""
    tables = [lake.read_table(path).select("image_id", "shard") for path in paths]
    rows = pl.concat(tables).unique("image_id", keep="first", maintain_order=True)
    return dict(rows.iter_rows())


def image_categories(samples: pl.DataFrame) -> pl.DataFrame:
    """Returns `image_id`, `category` and `subcategory` of all images of SAMPLES.

    An image has the categories of the sample whose target it is, of several the first by id; else those of
    an edit that starts from it.
    """
    roles = [
        samples.select("sample_id", "category", "subcategory", image_id="target_id", role=pl.lit(0)),
        samples.select("sample_id", "category", "subcategory", image_id="source_ids", role=pl.lit(1)).explode(
            "image_id"
        ),
    ]
    used = pl.concat(roles).drop_nulls("image_id").sort("role", "sample_id")
    first = used.unique("image_id", keep="first", maintain_order=True)
    return first.select("image_id", "category", "subcategory")


def without_dropped(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Returns the SAMPLES of which neither the sample nor one of its images is dropped, sorted by id.

    Args:
        samples: SAMPLES; a sample that occurs more than once is returned once.
        verdicts: VERDICTS by sample id or image id.
    """
    dropped = verdicts.filter(~pl.col("kept")).select("id").unique()
    unique = samples.unique("sample_id", keep="first", maintain_order=True).sort("sample_id")
    uses = unique.select("sample_id", id=pl.concat_list("source_ids", "target_id", "sample_id")).explode("id")
    lost = uses.join(dropped, on="id", how="semi").select("sample_id").unique()
    return unique.join(lost, on="sample_id", how="anti", maintain_order="left")


def used_images(samples: pl.DataFrame) -> Sequence[str]:
    """Returns the ids of all sources and targets of SAMPLES, sorted."""
    used = samples.select(pl.concat_list("source_ids", "target_id").alias("id")).explode("id")
    return used["id"].unique().sort().to_list()
