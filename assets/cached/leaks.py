"""The promise that makes held-out figures mean something: training sees no group that is held out."""

import polars as pl

from assets.cached.mixture import SAMPLE_FOLDER
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES
from trainers.data.cache import MIXTURE


def leaked_groups(lake: Lake) -> list[str]:
    """Returns the held-out groups, sorted, that some mixture trains on: as samples, or by their pictures.

    Pictures are looked up among the ingested files, so a file that came twice, once for training and once
    held out, is found although it is in different groups.
    """
    records = lake.read_tables("records", RECORDS)
    samples = lake.read_tables(SAMPLE_FOLDER, SAMPLES)
    trained = lake.read_tables("mixtures", MIXTURE).filter(pl.col("split") == "train")
    held_out = pl.concat(table.filter(split="heldout").select("group_id") for table in (records, samples))
    keys = trained.select(key=pl.concat_list("source_keys", "target_key")).explode("key")
    images = keys.select(image_id=pl.col("key").str.split("@").list.first()).unique()
    by_picture = records.join(images, on="image_id", how="semi").select("group_id")
    seen = pl.concat([trained.select("group_id"), by_picture]).unique()
    return seen.join(held_out, on="group_id", how="semi")["group_id"].sort().to_list()
