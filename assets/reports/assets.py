"""What people read: the funnel of the data, the benchmark of the stages, the champion."""

import dagster as dg

from assets.cached.config import MixturesConfig
from assets.lake.lake import Lake
from assets.lake.materialize import materialize
from assets.lake.steps import require_manifest
from assets.reports.bench import run_bench
from assets.reports.champion import promote_champion
from assets.reports.funnel import is_monotone, write_funnel
from assets.training.config import STAGES, Tracking
from benchmarks.config import BenchConfig
from models.backends import BackendsConfig
from models.common.progress import Progress


@dg.asset(
    group_name="reports",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=[
        "raw_images",
        "demo_corpus",
        "deduped",
        "filtered",
        "filtered_pairs",
        "deduped_pairs",
        "postfiltered",
    ],
)
def funnel(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """What each stage was given, kept and dropped by rule; how the filters did on the planted truth.

    Writes `reports/funnel.json`; read by `emberline status` and `dvc metrics`.
    """
    return materialize(context, lake, lambda: write_funnel(lake))


@dg.asset_check(asset=funnel)
def nothing_vanishes(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """No stage keeps more than it was given, and a rule answers for all that is gone."""
    rows = require_manifest(lake, "funnel").facts["funnel"]
    return dg.AssetCheckResult(passed=is_monotone(rows), metadata={"stages": len(rows)})


@dg.asset(
    group_name="benchmark",
    kinds={"diffusers", "html"},
    owners=["team:eval"],
    code_version="1",
    deps=["train_cache", "evaluator", *STAGES],
)
def bench_report(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    tracking: dg.ResourceParam[Tracking],
    bench: dg.ResourceParam[BenchConfig],
    mixtures: dg.ResourceParam[MixturesConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """Every stage's model on held-out edits of every kind: error against the known truth and against copying.

    Writes `bench/report/index.html`, the figures beside it and every output; read by `champion`.
    """
    return materialize(
        context,
        lake,
        lambda: run_bench(
            lake,
            bench,
            side=mixtures.stages[STAGES[-1]].side,
            tracking=tracking,
            text_encoder=backends.text_encoder,
            progress=progress,
        ),
    )


@dg.asset_check(asset=bench_report)
def better_than_copying(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """The champion is closer to the truth than the unedited source, on average over kinds."""
    facts = require_manifest(lake, "bench_report").facts
    figures = next(row for row in facts["editors"] if row["editor"] == facts["champion"])
    shown = {name: figures[name] for name in ("model_error", "copy_error", "share_beating_copying")}
    return dg.AssetCheckResult(passed=figures["model_error"] < figures["copy_error"], metadata=shown)


@dg.asset(
    group_name="registry",
    kinds={"mlflow"},
    owners=["team:models"],
    code_version="1",
    deps=["bench_report", *STAGES],
)
def champion(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[Tracking],
) -> dg.MaterializeResult:
    """The alias `champion` on the version of `emberline-edit` with the best benchmark.

    Writes `reports/champion.json`; users pull `models:/emberline-edit@champion`.
    """
    return materialize(context, lake, lambda: promote_champion(lake, tracking))
