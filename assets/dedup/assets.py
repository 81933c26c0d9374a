"""Deduplication (report 2.2.1): a copy descriptor trained on the corpus, and which copy stays."""

import dagster as dg

from assets.dedup.config import DedupConfig
from assets.dedup.copy_descriptor import nearest_similarities, train_copy_descriptor
from assets.dedup.deduplicate import deduplicate_images
from assets.engine.measure import measure_shards
from assets.engine.pool import Engine
from assets.lake.lake import Lake
from assets.lake.materialize import ingested_shards, materialize
from assets.lake.paths import COPY_DESCRIPTOR
from assets.lake.steps import StepOutput
from assets.measured.descriptor import descriptor_measure
from assets.measured.photometric import PHOTOMETRIC
from models.common.progress import Progress
from trainers.small.config import DescriptorTrainingConfig


@dg.asset(
    group_name="dedup",
    kinds={"pytorch"},
    owners=["team:data"],
    code_version="1",
    deps=["raw_images", "measured"],
)
def copy_descriptor(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    progress: dg.ResourceParam[Progress],
    descriptor: dg.ResourceParam[DescriptorTrainingConfig],
) -> dg.MaterializeResult:
    """Weights of a small copy descriptor (SSCD recipe), and the vector of every ingested image.

    Writes `models/copy_descriptor` and the measure `descriptor`; read by `deduped`, `longtail` and
    `deduped_pairs`.
    """

    def build() -> StepOutput:
        shards = ingested_shards(lake)
        trained = train_copy_descriptor(lake, shards, descriptor, progress)
        measure = descriptor_measure(lake.local_path(COPY_DESCRIPTOR))
        measured = measure_shards(lake, shards, [measure], workers=engine.workers, progress=progress)
        facts = {**trained.facts, "nearest": nearest_similarities(lake, shards, measure)}
        return StepOutput((*trained.files, *measured), trained.rows, facts)

    return materialize(context, lake, build)


@dg.asset(
    group_name="dedup",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=["raw_images", "measured", copy_descriptor],
)
def deduped(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    dedup: dg.ResourceParam[DedupConfig],
) -> dg.MaterializeResult:
    """Level 1: copies by bytes, by dihedral PDQ and by the descriptor, dropped by the star rule.

    Writes `verdicts/deduped.parquet` and `dedup/clusters.parquet`; read by `filtered`.
    """
    return materialize(
        context,
        lake,
        lambda: deduplicate_images(
            lake, ingested_shards(lake), dedup, photometric=PHOTOMETRIC, progress=progress
        ),
    )
