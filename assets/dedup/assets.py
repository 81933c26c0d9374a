"""Deduplication (report 2.2.1): the copy descriptor, and the choice of one image among copies."""

from dataclasses import replace

import dagster as dg

from assets.corpora.ingest import NoReadableImageError
from assets.dedup.config import DedupConfig
from assets.dedup.copy_descriptor import nearest_similarities, train_copy_descriptor
from assets.dedup.deduplicate import deduplicate_images
from assets.engine.measure import measure_shards
from assets.engine.pool import Executor
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads
from assets.lake.paths import COPY_DESCRIPTOR
from assets.lake.schemas import RECORDS
from assets.lake.steps import StepOutput, handed_on
from assets.measured.pdq import PDQ
from assets.measured.photometric import PHOTOMETRIC
from assets.measured.registry import descriptor_measure
from assets.measured.thumbnail import THUMBNAIL
from models.common.progress import Progress
from trainers.small.config import DescriptorTrainingConfig


@dg.asset(
    group_name="dedup",
    kinds={"pytorch"},
    owners=["team:data"],
    code_version="1",
    deps=["measured"],
    metadata=reads(files={"measured": ("images/*", "records/*", PDQ.tables, THUMBNAIL.tables)}),
)
def copy_descriptor(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
    descriptor: dg.ResourceParam[DescriptorTrainingConfig],
) -> dg.MaterializeResult:
    """A small copy descriptor, trained on the corpus with the SSCD recipe, and the vector of every image.

    It is trained once; later images are embedded by it. `--force copy_descriptor` trains it again.

    Writes `models/copy_descriptor` and the measure `descriptor`. Read by `deduped` and `longtail`.
    """

    def build() -> StepOutput:
        shards = handed_on(lake, "measured", "images/*")
        if not shards:
            raise NoReadableImageError(lake.read_tables("records", RECORDS))
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
    deps=["measured", copy_descriptor],
    metadata=reads(
        files={"measured": ("images/*", "records/*", PDQ.tables, THUMBNAIL.tables, PHOTOMETRIC.tables)}
    ),
)
def deduped(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    dedup: dg.ResourceParam[DedupConfig],
) -> dg.MaterializeResult:
    """Level 1: clusters of copies, by equal bytes, PDQ hash (also mirrored and turned) and copy descriptor.

    Drops all but one image of a cluster by the star rule. Writes `verdicts/deduped.parquet` and
    `dedup/clusters.parquet`, and hands on the copy descriptor. Read by `filtered` and `deduped_pairs`.
    """

    def build() -> StepOutput:
        shards = handed_on(lake, "measured", "images/*")
        output = deduplicate_images(lake, shards, dedup, photometric=PHOTOMETRIC, progress=progress)
        weights = handed_on(lake, "copy_descriptor", f"{COPY_DESCRIPTOR}/*")
        return replace(output, files=(*output.files, *weights))

    return materialize(context, lake, build)
