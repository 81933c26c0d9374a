"""The five training stages (report 3.3 to 3.6), each from the checkpoint of the one before."""

from pathlib import Path

import dagster as dg

from assets.cached.config import MixturesConfig, StageName
from assets.lake.lake import Lake
from assets.lake.materialize import materialize
from assets.lake.steps import StepOutput, git_commit
from assets.training.config import STAGES, Tracking, TrainerConfig
from assets.training.register import register_stage
from assets.training.stage import stage_run, train_stage
from models.backends import BackendsConfig
from models.common.progress import Progress

DESCRIPTIONS = {
    "pretrain": "Pre-training (report 3.3): text to image and edits mixed, from high noise to all noise.",
    "ct": "Continued pre-training (report 3.4): clusters of the data drawn uniformly, denser captions.",
    "sft": "Supervised fine-tuning (report 3.5): strict balance; the result is an average of the weights.",
    "dpo": "Direct preference optimization (report 3.6.1) with positive sample reinforcement, on pairs that "
    "the SFT model sampled and the evaluator and the known truth ranked.",
    "nft": "DiffusionNFT (report 3.6.2), online; reward = evaluator blended with the known truth.",
}

RESOURCES = {"lake", "progress", "launcher", "tracking", "trainer", "mixtures", "backends"}


def training_stage(stage: StageName) -> dg.AssetsDefinition:
    """Returns the asset of a stage: trains on the profile's ranks through Pipes, registers what came out."""
    before = STAGES[: STAGES.index(stage)][-1:]

    @dg.asset(
        name=stage,
        group_name="training",
        kinds={"pytorch", "deepspeed", "mlflow"},
        owners=["team:models"],
        code_version="1",
        pool="trainer",
        description=f"{DESCRIPTIONS[stage]} Writes `training/{stage}` and a version of `emberline-edit`; "
        "read by the next stage and `bench_report`.",
        deps=["train_cache", "evaluator", *before],
        required_resource_keys=RESOURCES | {stage},
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        resources = context.resources.original_resource_dict
        lake: Lake = resources["lake"]
        progress: Progress = resources["progress"]
        tracking: Tracking = resources["tracking"]
        trainer: TrainerConfig = resources["trainer"]
        mixtures: MixturesConfig = resources["mixtures"]
        backends: BackendsConfig = resources["backends"]
        tags = {"dagster.run_id": context.run_id, "git.commit": git_commit() or "unknown"}

        def launch(run_file: Path, ranks: int) -> None:
            resources["launcher"](context, run_file, ranks)

        def build() -> StepOutput:
            run = stage_run(lake, resources[stage], trainer, tracking=tracking, tags=tags)
            output = train_stage(run, trainer.ranks, launch, progress)
            progress(f"registering {stage}", 0, 1)
            version = register_stage(
                lake,
                run,
                output.facts,
                text_encoder=backends.text_encoder,
                side=mixtures.stages[stage].side,
                tags=tags,
            )
            return StepOutput(output.files, output.rows, {**output.facts, "version": version})

        return materialize(context, lake, build)

    return asset


stages = [training_stage(stage) for stage in STAGES]
