"""Raw data (report 2): the demo's corpus, and the ingest of all corpora into image shards and tables."""

from dataclasses import replace

import dagster as dg

from assets.corpora.batches import read_batch
from assets.corpora.config import CorporaConfig, DemoCorpusConfig
from assets.corpora.demo.corpus import make_demo_corpus
from assets.corpora.ingest import ingest_batch, summarize_samples
from assets.engine.pool import Executor
from assets.lake.lake import Lake
from assets.lake.materialize import ingest_batches, materialize, materialize_batches, schema_check
from assets.lake.steps import StepOutput, handed_on
from models.common.progress import Progress


@dg.asset(group_name="corpora", kinds={"image"}, owners=["team:data"], code_version="1")
def demo_corpus(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    demo: dg.ResourceParam[DemoCorpusConfig | None],
) -> dg.MaterializeResult:
    """Photographs as files in the inbox, and copies with planted defects, which are recorded as the truth.

    Writes `inbox/<corpus>` and `corpora/truth.parquet`, or nothing if the profile has no demo corpus. Read by
    `raw_images` and `funnel`.
    """

    def build() -> StepOutput:
        if demo is None:
            return StepOutput((), rows=0, facts={"demo corpus": None})
        return make_demo_corpus(lake, demo, progress)

    return materialize(context, lake, build)


@dg.asset(
    group_name="corpora",
    kinds={"parquet"},
    owners=["team:data"],
    code_version="1",
    deps=[demo_corpus],
    partitions_def=ingest_batches,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def raw_images(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
    corpora: dg.ResourceParam[CorporaConfig],
) -> dg.MaterializeResult:
    """Every image of an ingest batch, with its content id and shard, or the reason why it is unreadable.

    Decodes each image once in a sandboxed process. Writes `records/`, `images/<batch>/`, `samples/raw/` and
    `texts/raw/`. Read by `raw_samples`.
    """

    def build(batch: str) -> StepOutput:
        files = read_batch(lake, batch)
        return ingest_batch(lake, corpora, files, workers=engine.workers, progress=progress)

    return materialize_batches(context, lake, build)


@dg.asset(
    group_name="corpora",
    kinds={"parquet"},
    owners=["team:data"],
    code_version="1",
    deps=[raw_images],
    partitions_def=ingest_batches,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def raw_samples(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """The samples and original texts of an ingest batch, checked and counted (report 2.1).

    Hands on all files of `raw_images`. Read by `measured`.
    """

    def build(batch: str) -> StepOutput:
        counted = summarize_samples(lake, batch)
        return replace(counted, files=tuple(handed_on(lake, f"raw_images/{batch}")))

    return materialize_batches(context, lake, build)


@dg.asset_check(asset=raw_samples, blocking=True)
def tables_keep_their_schema(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Checks that every table that another stage reads has the columns and types of its schema."""
    return schema_check(lake, "raw_samples")
