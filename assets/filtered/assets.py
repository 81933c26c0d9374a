"""Filtering (report 2.2.2 to 2.2.5): rules over measured columns, in the order of the profile."""

import dagster as dg

from assets.filtered.config import FilteredConfig
from assets.filtered.filter_images import filter_images
from assets.lake.lake import Lake
from assets.lake.materialize import ingested_shards, materialize
from assets.measured.registry import IMAGE_MEASURES


@dg.asset(
    name="filtered",
    group_name="filtered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="2",
    deps=["raw_samples", "measured", "deduped"],
)
def filtered_images(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    filtered: dg.ResourceParam[FilteredConfig],
) -> dg.MaterializeResult:
    """One verdict an image: kept, or the rule, the value and the threshold that dropped it.

    Reads no pixel, so a threshold that changes costs seconds; the metadata says what would change downstream.
    Writes `verdicts/filtered.parquet`; read by `captioned`, `synthesized` and the funnel report. Writes
    `filtered/pristine.json`, by which `filtered_pairs` judges how natural targets are.
    """
    return materialize(
        context, lake, lambda: filter_images(lake, ingested_shards(lake), IMAGE_MEASURES, filtered)
    )
