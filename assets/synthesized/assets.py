"""The production engine (report 2.3): model-free templates, with task inversion."""

import dagster as dg

from assets.engine.pool import Engine
from assets.lake.kept import kept_images
from assets.lake.lake import Lake
from assets.lake.materialize import materialize
from assets.lake.steps import StepOutput
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
    deps=["raw_images", "raw_samples", "deduped", "filtered"],
)
def synthesized_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    progress: dg.ResourceParam[Progress],
    synthesized: dg.ResourceParam[SynthesizedConfig],
) -> dg.MaterializeResult:
    """Pairs of kept images and deterministic edits of them, with instructions in English and Chinese.

    Targets are ingested like any image. Writes `images/synthesized`, `samples/synthesized.parquet` and
    `texts/synthesized.parquet`; read by `coverage` and `target_measures`.
    """

    def build() -> StepOutput:
        requests = plan_requests(kept_images(lake), synthesized)
        return synthesize(
            lake, requests, "synthesized", synthesized, workers=engine.workers, progress=progress
        )

    return materialize(context, lake, build)
