"""Post-filtering of pairs: rules on targets, levels 2 and 3 of deduplication, the evaluator (report 2.6)."""

from dataclasses import replace

import dagster as dg

from assets.dedup.config import PairsConfig
from assets.dedup.deduplicate import deduplicate_edits
from assets.engine.measure import measure_shards, measures_version
from assets.engine.pool import Executor
from assets.filtered.config import FilteredConfig
from assets.filtered.filter_images import filter_targets
from assets.lake.images import read_image_table
from assets.lake.lake import Lake
from assets.lake.materialize import materialize, reads, schema_check
from assets.lake.paths import CLUSTERS_PATH, COPY_DESCRIPTOR, DEDUPED_PAIRS, EVALUATOR, FILTERED_PAIRS
from assets.lake.steps import StepOutput, handed_on, require_manifest
from assets.measured.registry import IMAGE_MEASURES
from assets.measured.thumbnail import THUMBNAIL
from assets.postfiltered.config import PostfilteredConfig
from assets.postfiltered.decide import postfilter
from assets.postfiltered.evaluator import train_pair_evaluator
from models.backends import BackendsConfig
from models.common.progress import Progress
from trainers.small.config import EvaluatorTrainingConfig


@dg.asset(
    group_name="postfiltered",
    kinds={"opencv"},
    owners=["team:data"],
    code_version=measures_version(IMAGE_MEASURES),
    deps=["longtail"],
)
def target_measures(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """The columns of all image measures for synthesized targets, so that nothing bypasses the filters.

    Writes `measures/`, and hands on all pairs and their image shards. Read by `filtered_pairs`,
    `deduped_pairs` and `evaluator`.
    """

    def build() -> StepOutput:
        pairs = handed_on(lake, "longtail", "pairs/*", "images/*")
        shards = [path for path in pairs if path.startswith("images/")]
        tables = measure_shards(lake, shards, IMAGE_MEASURES, workers=engine.workers, progress=progress)
        facts = {"measures": {measure.name: measure.version for measure in IMAGE_MEASURES}}
        return StepOutput((*tables, *pairs), read_image_table(lake, shards).height, facts)

    return materialize(context, lake, build)


@dg.asset(
    group_name="postfiltered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="2",
    deps=[target_measures, "filtered"],
    metadata=reads(files={"filtered": ("filtered/pristine.json",)}),
)
def filtered_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    filtered: dg.ResourceParam[FilteredConfig],
) -> dg.MaterializeResult:
    """One verdict for each synthesized target, by the rules of `filtered`.

    A rule doesn't apply to categories whose edits do on purpose what it forbids. Writes
    `verdicts/filtered_pairs.parquet`. Read by `postfiltered`.
    """

    def build() -> StepOutput:
        shards = handed_on(lake, "target_measures", "images/*")
        return filter_targets(lake, shards, IMAGE_MEASURES, filtered)

    return materialize(context, lake, build)


@dg.asset(
    group_name="postfiltered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=["target_measures", "deduped"],
    metadata=reads(
        files={
            "target_measures": ("pairs/*", "images/*", THUMBNAIL.tables),
            "deduped": (CLUSTERS_PATH, f"{COPY_DESCRIPTOR}/*"),
        }
    ),
)
def deduped_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Executor],
    progress: dg.ResourceParam[Progress],
    pairs: dg.ResourceParam[PairsConfig],
) -> dg.MaterializeResult:
    """Levels 2 and 3 (report 2.2.1): drops edits that change nothing or everything, and near-equal edits.

    Compares images by PSNR, SSIM, the most changed block and the copy descriptor. Writes the measure `pairs`
    and `verdicts/deduped_pairs.parquet`. Read by `postfiltered`.
    """
    return materialize(
        context, lake, lambda: deduplicate_edits(lake, pairs, workers=engine.workers, progress=progress)
    )


@dg.asset(
    group_name="postfiltered",
    kinds={"pytorch"},
    owners=["team:models"],
    code_version="1",
    deps=["target_measures"],
    metadata=reads(files={"target_measures": ("pairs/*", THUMBNAIL.tables)}),
)
def evaluator(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    evaluator_training: dg.ResourceParam[EvaluatorTrainingConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """A small model that scores whether an edit follows its instruction, with two shortcut probes.

    It is trained on pairs with their own and with perturbed instructions. Writes `models/evaluator`, which
    DPO, NFT and the benchmark use too, and hands on the pairs. Read by `postfiltered`.
    """

    def build() -> StepOutput:
        output = train_pair_evaluator(lake, evaluator_training, backends.text_encoder, progress)
        return replace(output, files=(*output.files, *handed_on(lake, "target_measures", "pairs/*")))

    return materialize(context, lake, build)


@dg.asset_check(asset=evaluator)
def tells_edits_apart(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Checks that the held-out AUC is above 0.9, and at most 0.6 for each of the shortcut probes."""
    facts = require_manifest(lake, "evaluator").facts
    names = ("auc", "auc_instruction_only", "auc_pictures_only")
    auc, *shortcuts = (facts[name] for name in names)
    passed = auc is not None and auc > 0.9 and all(value is not None and value <= 0.6 for value in shortcuts)
    return dg.AssetCheckResult(passed=passed, metadata={name: str(facts[name]) for name in names})


@dg.asset(
    name="postfiltered",
    group_name="postfiltered",
    kinds={"polars"},
    owners=["team:data"],
    code_version="1",
    deps=[evaluator, filtered_pairs, deduped_pairs],
)
def postfiltered_pairs(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    postfiltered: dg.ResourceParam[PostfilteredConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """One verdict for each pair, by the score of the evaluator, and the pairs that no verdict drops.

    Writes `verdicts/postfiltered.parquet`, `kept/pairs.parquet` and `kept/pair_texts.parquet`, and hands on
    all pairs, their verdicts and the evaluator. Read by `training_cache` and `funnel`.
    """

    def build() -> StepOutput:
        output = postfilter(lake, postfiltered, encoder_path=backends.text_encoder, progress=progress)
        pairs = handed_on(lake, "evaluator", "pairs/*", f"{EVALUATOR}/*")
        return replace(output, files=(*output.files, *pairs, FILTERED_PAIRS, DEDUPED_PAIRS))

    return materialize(context, lake, build)


@dg.asset_check(asset=postfiltered_pairs, blocking=True)
def tables_of_pairs_keep_their_schema(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Checks that every table that the mixtures read has the columns and types of its schema."""
    return schema_check(lake, "postfiltered")
