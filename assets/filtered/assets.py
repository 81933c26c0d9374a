"""Filtering (report 2.2.2 to 2.2.5): the profile's rules on measured columns, in their order."""

from dataclasses import replace

import dagster as dg

from assets.filtered.config import FilteredConfig
from assets.filtered.filter_images import filter_images
from assets.filtered.kept import write_kept
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads
from assets.lake.paths import DEDUPED
from assets.lake.steps import StepOutput, handed_on
from assets.measured.registry import IMAGE_MEASURES


@dg.asset(
    name="filtered",
    group_name="filtered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="2",
    deps=["measured", "deduped"],
    metadata=reads(files={"deduped": (DEDUPED,)}),
)
def filtered_images(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    filtered: dg.ResourceParam[FilteredConfig],
) -> dg.MaterializeResult:
    """One verdict for each image: kept, or dropped by a rule with its value and threshold.

    Reads no pixels, so a changed threshold takes seconds to apply. The metadata counts what changes
    downstream. Writes `verdicts/filtered.parquet`, the kept images with their samples and texts in `kept/`,
    and `filtered/pristine.json`, the statistics of natural images for `filtered_pairs`. Hands on the records
    and the verdicts of `deduped`. Read by `captioned`, `synthesized`, `longtail`, `filtered_pairs` and
    `funnel`.
    """

    def build() -> StepOutput:
        shards = handed_on(lake, "measured", "images/*")
        output = filter_images(lake, shards, IMAGE_MEASURES, filtered)
        records = handed_on(lake, "measured", "records/*")
        return replace(output, files=(*output.files, *write_kept(lake, shards), *records, DEDUPED))

    return materialize(context, lake, build)
