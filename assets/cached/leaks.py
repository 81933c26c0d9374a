"""Checks that no mixture trains on a held-out group, which would make held-out figures meaningless."""

import polars as pl

from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES
from trainers.data.cache import MIXTURE


def leaked_groups(lake: Lake) -> list[str]:
    """Returns the sorted held-out groups that a mixture trains on, as samples or by their images.

    Images are looked up among all ingested files. So a file that was ingested twice, once for training and
    once as held out, is found although the two are in different groups.
    """
    records = lake.read_tables("records", RECORDS)
    samples = lake.read_tables("samples", SAMPLES)
    trained = lake.read_tables("mixtures", MIXTURE).filter(pl.col("split") == "train")
    held_out = pl.concat(table.filter(split="heldout").select("group_id") for table in (records, samples))
    keys = trained.select(key=pl.concat_list("source_keys", "target_key")).explode("key")
    images = keys.select(image_id=pl.col("key").str.split("@").list.first()).unique()
    by_image = records.join(images, on="image_id", how="semi").select("group_id")
    seen = pl.concat([trained.select("group_id"), by_image]).unique()
    return seen.join(held_out, on="group_id", how="semi")["group_id"].sort().to_list()
