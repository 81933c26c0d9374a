"""Long-tail supplementation (report 2.4): what the instructions cover, and one round of filling the gap."""

import dagster as dg

from assets.engine.pool import Engine
from assets.lake.kept import kept_images
from assets.lake.lake import Lake
from assets.lake.materialize import ingested_shards, materialize
from assets.longtail.config import LongtailConfig
from assets.longtail.coverage import measure_coverage
from assets.longtail.refill import refill
from assets.synthesized.config import SynthesizedConfig
from models.backends import BackendsConfig
from models.common.progress import Progress


@dg.asset(
    group_name="longtail",
    kinds={"qdrant"},
    owners=["team:data"],
    code_version="1",
    deps=["synthesized"],
)
def coverage(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    longtail: dg.ResourceParam[LongtailConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """Every distinct instruction in a vector index; samples, wordings and density of each category of edits.

    Writes the Qdrant collection and `longtail/coverage.parquet`; read by `longtail`.
    """
    return materialize(
        context, lake, lambda: measure_coverage(lake, longtail, backends.text_encoder, progress)
    )


@dg.asset(
    name="longtail",
    group_name="longtail",
    kinds={"opencv"},
    owners=["team:data"],
    code_version="1",
    deps=["raw_images", "deduped", "filtered", "copy_descriptor", "synthesized", coverage],
)
def longtail_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    progress: dg.ResourceParam[Progress],
    longtail: dg.ResourceParam[LongtailConfig],
    synthesized: dg.ResourceParam[SynthesizedConfig],
) -> dg.MaterializeResult:
    """One refill round for the thinnest category, or for what a benchmark's demand file asks for.

    Writes `images/longtail`, `samples/longtail.parquet` and `texts/longtail.parquet`; read by
    `target_measures`.
    """
    return materialize(
        context,
        lake,
        lambda: refill(
            lake,
            kept_images(lake),
            ingested_shards(lake),
            longtail,
            synthesized,
            workers=engine.workers,
            progress=progress,
        ),
    )
