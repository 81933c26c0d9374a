"""The training stages (report 3.3 to 3.6). Each starts from the result of the one before."""

from functools import partial
from pathlib import Path

import dagster as dg

from assets.cached.config import StageMixture
from assets.lake.lake import Lake
from assets.lake.materialize import is_forced, materialize, reads, step_of
from assets.lake.paths import CODEC, EVALUATOR, LATENT_CACHE, TEXT_CACHE, mixture_path
from assets.lake.platform_record import git_commit
from assets.lake.run_step import StepHooks, check_inputs
from assets.lake.steps import StepOutput, handed_on
from assets.training.config import Tracking, TrainerConfig
from assets.training.register import register_stage, registration_problem
from assets.training.stage import claim_stage, stage_run, train_stage
from models.backends import BackendsConfig
from models.common.progress import Progress
from trainers.data.cache import MADE_WITH
from trainers.stages.registry import STAGES, StageSpec, previous_stage

RESOURCES = {"lake", "progress", "launcher", "tracking", "trainer", "backends"}

FRESH_TAG = "emberline/fresh"
"""Run tag of `--fresh`: a stage whose identity changed archives its old run and starts a new one."""


def training_stage(spec: StageSpec) -> dg.AssetsDefinition:
    """Returns the asset of a stage. It trains the stage on the profile's ranks and registers the result."""
    stage, before = spec.name, previous_stage(spec.name)
    reader = next((other.name for other in STAGES if previous_stage(other.name) == stage), "bench_report")
    cache = (
        mixture_path(stage),
        f"{CODEC}/*",
        f"{TEXT_CACHE}/{MADE_WITH}",
        f"{LATENT_CACHE}/{MADE_WITH}",
        *([f"{EVALUATOR}/*"] if spec.rewarded else []),
    )

    @dg.asset(
        name=stage,
        group_name="training",
        kinds={"pytorch", "deepspeed", "mlflow"},
        owners=["team:models"],
        code_version=spec.version,
        pool="trainer",
        description=f"{spec.description} Writes `training/{stage}` and a version in the registry. "
        f"Read by `{reader}`.",
        deps=["training_cache", *([before] if before else [])],
        required_resource_keys=RESOURCES | {stage, f"{stage}_mixture"},
        metadata=reads(
            files={"training_cache": cache} | ({before: ("training/*",)} if before else {}),
            fields={f"{stage}_mixture": ("side",)},
        ),
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        resources = context.resources.original_resource_dict
        lake: Lake = resources["lake"]
        progress: Progress = resources["progress"]
        tracking: Tracking = resources["tracking"]
        trainer: TrainerConfig = resources["trainer"]
        mixture: StageMixture = resources[f"{stage}_mixture"]
        backends: BackendsConfig = resources["backends"]
        tags = {"dagster.run_id": context.run_id, "git.commit": git_commit() or "unknown"}
        run = stage_run(lake, resources[stage], trainer, tracking=tracking, tags=tags)

        def launch(run_file: Path, ranks: int) -> None:
            resources["launcher"](context, run_file, ranks)

        def build() -> StepOutput:
            output = train_stage(run, trainer.ranks, launch, progress)
            progress(f"registering {stage}", 0, 1)
            registered = register_stage(
                lake,
                run,
                output.facts,
                model=tracking.model,
                text_encoder=backends.text_encoder,
                side=mixture.side,
                tags=tags,
            )
            # Handing on the weights of all stages so far lets the benchmark depend on the last stage only.
            earlier = handed_on(lake, before, "training/*") if before else []
            return StepOutput((*output.files, *earlier), output.rows, {**output.facts, **registered})

        def check() -> None:
            step = step_of(context.assets_def, context.asset_key, resources)
            check_inputs(lake, step)
            fresh = context.run.tags.get(FRESH_TAG) == "true"
            claim_stage(run, trainer.ranks, fresh=fresh, forced=is_forced(context, step))

        return materialize(
            context, lake, build, StepHooks(before=check, world=partial(registration_problem, tracking))
        )

    return asset


stages = [training_stage(spec) for spec in STAGES]
