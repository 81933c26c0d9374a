"""Measuring: every image is decoded once and handed to every measure that lacks it; the ledger says when."""

import dagster as dg

from assets.engine.measure import measure_shards, measures_version
from assets.engine.pool import Engine
from assets.lake.images import read_image_table
from assets.lake.lake import Lake
from assets.lake.materialize import ingest_batches, ingested_shards, materialize_batches
from assets.lake.steps import StepOutput
from assets.measured.registry import IMAGE_MEASURES
from models.common.progress import Progress


@dg.asset(
    group_name="measured",
    kinds={"opencv"},
    owners=["team:data"],
    code_version=measures_version(IMAGE_MEASURES),
    deps=["raw_images"],
    partitions_def=ingest_batches,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def measured(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """Columns of every image measure (report 2.2.2 to 2.2.5) for the images of a batch.

    Writes `measures/<measure>@<version>/`, one table a shard, each with its ledger entry; read by `deduped`
    and `filtered`.
    """

    def build(batch: str) -> StepOutput:
        shards = ingested_shards(lake, batch)
        tables = measure_shards(lake, shards, IMAGE_MEASURES, workers=engine.workers, progress=progress)
        facts = {"measures": {measure.name: measure.version for measure in IMAGE_MEASURES}}
        return StepOutput(tuple(tables), read_image_table(lake, shards).height, facts)

    return materialize_batches(context, lake, build)
