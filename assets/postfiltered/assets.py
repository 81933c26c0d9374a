"""Pairs judged: levels 2 and 3 of deduplication, the filters' rules, the evaluator (report 2.6)."""

import dagster as dg

from assets.dedup.config import PairsConfig
from assets.dedup.deduplicate import deduplicate_edits
from assets.engine.measure import measure_shards, measures_version
from assets.engine.pool import Engine
from assets.filtered.config import FilteredConfig
from assets.filtered.filter_images import filter_targets
from assets.lake.images import read_image_table
from assets.lake.lake import Lake
from assets.lake.materialize import made_shards, materialize, schema_check
from assets.lake.steps import StepOutput, require_manifest
from assets.measured.registry import IMAGE_MEASURES
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.decide import postfilter
from assets.postfiltered.evaluator import train_pair_evaluator
from models.backends import BackendsConfig
from models.common.progress import Progress
from trainers.small.config import EvaluatorTrainingConfig

MADE = ["synthesized", "longtail"]


@dg.asset(
    group_name="postfiltered",
    kinds={"opencv"},
    owners=["team:data"],
    code_version=measures_version(IMAGE_MEASURES),
    deps=MADE,
)
def target_measures(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """The same measures for targets that were made as for images that came: no private way into training.

    Writes `measures/`; read by `filtered_pairs`, `deduped_pairs`, `evaluator` and `postfiltered`.
    """

    def build() -> StepOutput:
        shards = made_shards(lake)
        tables = measure_shards(lake, shards, IMAGE_MEASURES, workers=engine.workers, progress=progress)
        facts = {"measures": {measure.name: measure.version for measure in IMAGE_MEASURES}}
        return StepOutput(tuple(tables), read_image_table(lake, shards).height, facts)

    return materialize(context, lake, build)


@dg.asset(
    group_name="postfiltered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="2",
    deps=["filtered", *MADE, target_measures],
)
def filtered_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    filtered: dg.ResourceParam[FilteredConfig],
) -> dg.MaterializeResult:
    """The filters' rules on targets, except what an edit of their category does on purpose.

    Writes `verdicts/filtered_pairs.parquet`; read by `train_cache`.
    """
    return materialize(
        context, lake, lambda: filter_targets(lake, made_shards(lake), IMAGE_MEASURES, filtered)
    )


@dg.asset(
    group_name="postfiltered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=["copy_descriptor", "deduped", *MADE, target_measures],
)
def deduped_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    progress: dg.ResourceParam[Progress],
    pairs: dg.ResourceParam[PairsConfig],
) -> dg.MaterializeResult:
    """Levels 2 and 3 (report 2.2.1): edits that change nothing, everything, or nothing new.

    By PSNR, SSIM, the most changed block and the copy descriptor. Writes the measure `pairs` and
    `verdicts/deduped_pairs.parquet`; read by `train_cache`.
    """
    return materialize(
        context, lake, lambda: deduplicate_edits(lake, pairs, workers=engine.workers, progress=progress)
    )


@dg.asset(
    group_name="postfiltered",
    kinds={"pytorch"},
    owners=["team:models"],
    code_version="1",
    deps=[*MADE, target_measures],
)
def evaluator(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    evaluator_training: dg.ResourceParam[EvaluatorTrainingConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """A small evaluator trained on pairs and perturbed instructions, with its AUC and two shortcut probes.

    Writes `models/evaluator`; read by `postfiltered`, by DPO and NFT as a reward, and by the benchmark.
    """
    return materialize(
        context,
        lake,
        lambda: train_pair_evaluator(lake, evaluator_training, backends.text_encoder, progress),
    )


@dg.asset_check(asset=evaluator)
def tells_edits_apart(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """The AUC on held-out groups is above 0.9, and neither pictures nor instruction alone get past 0.6."""
    facts = require_manifest(lake, "evaluator").facts
    names = ("auc", "auc_instruction_only", "auc_pictures_only")
    auc, *shortcuts = (facts[name] for name in names)
    passed = auc is not None and auc > 0.9 and all(found is not None and found <= 0.6 for found in shortcuts)
    return dg.AssetCheckResult(passed=passed, metadata={name: str(facts[name]) for name in names})


@dg.asset(
    name="postfiltered",
    group_name="postfiltered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=[*MADE, target_measures, evaluator],
)
def postfiltered_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    postfiltered: dg.ResourceParam[PostfilteredConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """One verdict a sample, by the evaluator's alignment.

    Writes `verdicts/postfiltered.parquet`; read by `train_cache`.
    """
    return materialize(
        context,
        lake,
        lambda: postfilter(lake, postfiltered, encoder_path=backends.text_encoder, progress=progress),
    )


@dg.asset_check(asset=postfiltered_pairs, blocking=True)
def tables_of_pairs_keep_their_schema(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Every table that training is mixed from has the columns and types that its schema names."""
    return schema_check(lake)
