"""Captions (report 2.5.1). The instructions of 2.5.2 are written with the pairs, in `synthesized`."""

from dataclasses import replace

import dagster as dg

from assets.captioned.config import CaptionedConfig
from assets.captioned.structured import caption_images
from assets.lake.kept import read_kept_images
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads
from assets.lake.steps import StepOutput, handed_on
from models.common.progress import Progress


@dg.asset(
    name="captioned",
    group_name="captioned",
    kinds={"opencv"},
    owners=["team:data"],
    code_version="1",
    deps=["filtered"],
    metadata=reads(files={"filtered": ("kept/*",)}),
)
def captioned_images(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    captioned: dg.ResourceParam[CaptionedConfig],
) -> dg.MaterializeResult:
    """A structured caption of every kept image: palette, exposure, layout and visible text.

    Writes `captions/structured.parquet` (JSON in the report's schema) and `texts/captioned.parquet`, and
    hands on the kept images with their samples and texts. Read by `training_cache`.
    """

    def build() -> StepOutput:
        output = caption_images(lake, read_kept_images(lake), captioned, progress)
        return replace(output, files=(*output.files, *handed_on(lake, "filtered", "kept/*")))

    return materialize(context, lake, build)
