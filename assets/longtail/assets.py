"""Long-tail supplementation (report 2.4): coverage of the instructions, and one round of refill."""

from dataclasses import replace

import dagster as dg

from assets.engine.pool import Executor
from assets.lake.kept import COLLECTED, KEPT_IMAGES_PATH, read_kept_images
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads
from assets.lake.steps import StepOutput, handed_on
from assets.longtail.config import LongtailConfig
from assets.longtail.coverage import measure_coverage
from assets.longtail.pairs import write_pairs
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
    metadata=reads(fields={"longtail": ("min_similarity", "exemplars")}),
)
def coverage(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    longtail: dg.ResourceParam[LongtailConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """A vector index of all distinct instructions, and the samples, wordings and density of each category.

    Writes the Qdrant collection and `longtail/coverage.parquet`, and hands on the collected and synthesized
    pairs. Read by `longtail`.
    """

    def build() -> StepOutput:
        output = measure_coverage(lake, longtail, backends.text_encoder, progress)
        return replace(output, files=(*output.files, *handed_on(lake, "synthesized")))

    return materialize(context, lake, build)


@dg.asset(
    name="longtail",
    group_name="longtail",
    kinds={"opencv"},
    owners=["team:data"],
    code_version="1",
    deps=["filtered", "copy_descriptor", coverage],
    metadata=reads(
        files={"filtered": (KEPT_IMAGES_PATH, COLLECTED)}, fields={"longtail": ("refill_pairs", "demand")}
    ),
)
def longtail_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
    longtail: dg.ResourceParam[LongtailConfig],
    synthesized: dg.ResourceParam[SynthesizedConfig],
) -> dg.MaterializeResult:
    """More pairs for the thinnest category, or for the categories in a benchmark's demand file.

    Writes `images/longtail`, `samples/longtail.parquet` and `texts/longtail.parquet`, and all pairs, with
    the collected ones and those of `synthesized`, in `pairs/`. Read by `target_measures`.
    """

    def build() -> StepOutput:
        kept = read_kept_images(lake)
        output = refill(lake, kept, longtail, synthesized, workers=engine.workers, progress=progress)
        earlier = handed_on(lake, "coverage", "images/*")
        shards = [*earlier, *(path for path in output.files if path.startswith("images/"))]
        return replace(output, files=(*output.files, *earlier, *write_pairs(lake, shards)))

    return materialize(context, lake, build)
