"""Reports: the funnel of the data, the benchmark of the training stages, and the champion."""

from collections.abc import Iterable
from functools import partial

import dagster as dg

from assets.cached.config import StageMixture
from assets.lake.kept import PAIR_IMAGES_PATH
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads
from assets.lake.paths import CAPTION_TEXTS, CODEC, EVALUATOR, TRUTH_PATH
from assets.lake.run_step import StepHooks
from assets.lake.steps import require_manifest
from assets.reports.bench import run_bench
from assets.reports.champion import alias_problem, promote_champion
from assets.reports.funnel import is_monotone, write_funnel
from assets.training.config import Tracking
from benchmarks.config import BenchConfig
from models.backends import BackendsConfig
from models.common.progress import Progress
from trainers.stages.registry import STAGE_NAMES


@dg.asset(
    group_name="reports",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=["demo_corpus", "filtered", "postfiltered"],
    metadata=reads(files={"demo_corpus": (TRUTH_PATH,)}),
)
def funnel(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """The counts of each stage (in, kept, dropped by rule), and the filters' precision and recall.

    Precision and recall are measured on the planted defects of the demo's corpus. Writes
    `reports/funnel.json`, which `emberline status` prints.
    """
    return materialize(context, lake, lambda: write_funnel(lake))


@dg.asset_check(asset=funnel)
def nothing_vanishes(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Checks that no stage keeps more than it received, and that a rule accounts for everything dropped."""
    rows = require_manifest(lake, "funnel").facts["funnel"]
    return dg.AssetCheckResult(passed=is_monotone(rows), metadata={"stages": len(rows)})


@dg.asset(
    group_name="benchmark",
    kinds={"diffusers", "html"},
    owners=["team:eval"],
    code_version="1",
    deps=["training_cache", STAGE_NAMES[-1]],
    metadata=reads(
        files={"training_cache": ("kept/*", CAPTION_TEXTS, PAIR_IMAGES_PATH, f"{CODEC}/*", f"{EVALUATOR}/*")},
        fields={"nft_mixture": ("side",)},
    ),
)
def bench_report(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    tracking: dg.ResourceParam[Tracking],
    bench: dg.ResourceParam[BenchConfig],
    nft_mixture: dg.ResourceParam[StageMixture],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """The benchmark of every training stage: errors on held-out edits of every kind against the known truth.

    The copy baseline is the error of the unedited source. Writes `bench/report/index.html`, its figures and
    all outputs. Read by `champion`.
    """
    return materialize(
        context,
        lake,
        lambda: run_bench(
            lake,
            bench,
            side=nft_mixture.side,
            tracking=tracking,
            text_encoder=backends.text_encoder,
            progress=progress,
        ),
    )


@dg.asset_check(asset=bench_report)
def better_than_copying(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Checks that the champion's mean error over kinds is lower than that of the unedited source."""
    facts = require_manifest(lake, "bench_report").facts
    figures = next(row for row in facts["editors"] if row["editor"] == facts["champion"])
    metadata = {name: figures[name] for name in ("model_error", "copy_error", "share_beating_copying")}
    return dg.AssetCheckResult(passed=figures["model_error"] < figures["copy_error"], metadata=metadata)


@dg.asset(
    group_name="registry",
    kinds={"mlflow"},
    owners=["team:models"],
    code_version="1",
    deps=["bench_report"],
    metadata=reads(fields={"bench": ("seed", "steps")}),
)
def champion(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    tracking: dg.ResourceParam[Tracking],
    bench: dg.ResourceParam[BenchConfig],
) -> dg.MaterializeResult:
    """Gives the alias `champion` to the version with the best benchmark result, if it is better than the
    present champion and than the unedited source, and no check failed.

    Writes `reports/champion.json`: the decision with its reasons. Applications load
    `models:/<tracking.model>@champion`.
    """
    failed = failed_checks(context.instance, context.job_def.asset_layer.asset_graph.asset_check_keys)
    return materialize(
        context,
        lake,
        lambda: promote_champion(lake, tracking, bench, failed_checks=failed, progress=progress),
        StepHooks(world=partial(alias_problem, tracking)),
    )


def failed_checks(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> list[str]:
    """Returns the names of the asset checks whose last evaluation failed, in order."""
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    evaluations = {key: record.event.asset_check_evaluation for key, record in found.items() if record.event}
    return sorted(key.name for key, evaluation in evaluations.items() if evaluation and not evaluation.passed)
