"""Raw material (report 2): the demo's corpus, and the ingest of every corpus into image shards and tables."""

import dagster as dg

from assets.corpora.batches import read_batch
from assets.corpora.config import CorporaConfig, DemoCorpusConfig
from assets.corpora.demo.corpus import make_demo_corpus
from assets.corpora.ingest import ingest_batch, summarize_samples
from assets.lake.lake import Lake
from assets.lake.materialize import ingest_batches, materialize, materialize_batches, schema_check
from assets.lake.steps import StepOutput
from models.common.progress import Progress


@dg.asset(group_name="corpora", kinds={"image"}, owners=["team:data"], code_version="1")
def demo_corpus(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    demo: dg.ResourceParam[DemoCorpusConfig | None],
) -> dg.MaterializeResult:
    """Photographs as files in the inbox, with known defects planted in copies and the truth recorded.

    Writes `inbox/<corpus>` and `corpora/truth.parquet`; read by `raw_images` and by the funnel report.
    Empty where the profile names no demo corpus.
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
    progress: dg.ResourceParam[Progress],
    corpora: dg.ResourceParam[CorporaConfig],
) -> dg.MaterializeResult:
    """Every file of an ingest batch: content id and shard, or the reason why it is unreadable.

    Each file is decoded first in a process that it may harm. Writes `records/`, `images/<batch>/`,
    `samples/raw/` and `texts/raw/`; read by every stage after it.
    """
    return materialize_batches(
        context, lake, lambda batch: ingest_batch(lake, corpora, read_batch(lake, batch), progress)
    )


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
    """The text-to-image samples and original texts that a batch brought, checked and counted (report 2.1)."""
    return materialize_batches(context, lake, lambda batch: summarize_samples(lake, batch))


@dg.asset_check(asset=raw_samples, blocking=True)
def tables_keep_their_schema(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Every table that crosses a stage has the columns and types that its schema names."""
    return schema_check(lake)
