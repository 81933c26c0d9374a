"""Which images are still there after deduplication and filtering."""

import polars as pl

from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED
from assets.lake.schemas import RECORDS, VERDICTS


def kept_images(lake: Lake) -> pl.DataFrame:
    """Returns image_id, group_id, split, license, corpus of each image that no verdict drops, by id."""
    dropped = [lake.read_table(path, VERDICTS).filter(~pl.col("kept"))["id"] for path in (DEDUPED, FILTERED)]
    first = (
        lake.read_tables("records", RECORDS)
        .drop_nulls("image_id")
        .sort("image_id", "corpus", "path")
        .unique("image_id", keep="first", maintain_order=True)
    )
    kept = first.filter(~pl.col("image_id").is_in(pl.concat(dropped).implode()))
    return kept.select("image_id", "group_id", "split", "license", "corpus")
