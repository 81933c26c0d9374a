"""Measuring: each image is decoded once and passed to every measure that has no value for it yet."""

import dagster as dg

from assets.engine.measure import measure_shards, measures_version
from assets.engine.pool import Executor
from assets.lake.images import read_image_table
from assets.lake.lake import Lake
from assets.lake.materialize import ingest_batches, materialize_batches
from assets.lake.steps import StepOutput, handed_on
from assets.measured.registry import IMAGE_MEASURES
from models.common.progress import Progress


@dg.asset(
    group_name="measured",
    kinds={"opencv"},
    owners=["team:data"],
    code_version=measures_version(IMAGE_MEASURES),
    deps=["raw_samples"],
    partitions_def=ingest_batches,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def measured(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """The columns of all image measures (report 2.2.2 to 2.2.5) for the images of an ingest batch.

    Writes one table for each measure and image shard in `measures/<measure>@<version>/`, with a ledger entry,
    and hands on the ingested files. Read by `copy_descriptor`, `deduped` and `filtered`.
    """

    def build(batch: str) -> StepOutput:
        ingested = handed_on(lake, f"raw_samples/{batch}")
        shards = [path for path in ingested if path.startswith("images/")]
        tables = measure_shards(lake, shards, IMAGE_MEASURES, workers=engine.workers, progress=progress)
        facts = {"measures": {measure.name: measure.version for measure in IMAGE_MEASURES}}
        return StepOutput((*tables, *ingested), read_image_table(lake, shards).height, facts)

    return materialize_batches(context, lake, build)
