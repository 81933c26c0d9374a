"""Pair synthesis (report 2.3): edits by templates without a model, with task inversion."""

from dataclasses import replace

import dagster as dg

from assets.engine.pool import Executor
from assets.lake.kept import COLLECTED, KEPT_IMAGES_PATH, read_kept_images
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads
from assets.lake.steps import StepOutput, handed_on
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.requests import plan_requests
from assets.synthesized.synthesize import synthesize
from models.common.progress import Progress


@dg.asset(
    name="synthesized",
    group_name="synthesized",
    kinds={"opencv"},
    owners=["team:data"],
    code_version="1",
    deps=["filtered"],
    metadata=reads(files={"filtered": (KEPT_IMAGES_PATH, COLLECTED)}),
)
def synthesized_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
    synthesized: dg.ResourceParam[SynthesizedConfig],
) -> dg.MaterializeResult:
    """Pairs of kept images and deterministic edits of them, with instructions in English and Chinese.

    Targets are stored in image shards like other images. Writes `images/synthesized`,
    `samples/synthesized.parquet` and `texts/synthesized.parquet`, and hands on the collected edits. Read by
    `coverage`.
    """

    def build() -> StepOutput:
        requests = plan_requests(read_kept_images(lake), synthesized)
        made = synthesize(
            lake, requests, "synthesized", synthesized, workers=engine.workers, progress=progress
        )
        return replace(made, files=(*made.files, *handed_on(lake, "filtered", COLLECTED)))

    return materialize(context, lake, build)
