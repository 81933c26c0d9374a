"""Runs one training stage: the input of its trainer, its progress, and its output files."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.lake.lake import Lake
from assets.lake.paths import CODEC, EVALUATOR, LATENT_CACHE, TEXT_CACHE, mixture_path, stage_folder
from assets.lake.steps import StepOutput
from assets.training.config import Tracking, TrainerConfig
from models.common.progress import Progress
from trainers.config import StageConfig, StageRun, TrackingConfig, evaluator_weight
from trainers.identity import (
    FILES,
    Layout,
    archive,
    claim,
    finished_result,
    locked,
    run_fingerprint,
    run_identity,
    segments_of,
)
from trainers.metrics_file import read_metrics
from trainers.stages.registry import previous_stage

Launch = Callable[[Path, int], None]
"""Trains the stage run of a JSON file on a number of ranks. Raises an error if training fails."""

POLL_SECONDS = 0.5


class DamagedResultError(RuntimeError):
    """The files that a training run has just written are not those of its result.

    Attributes:
        stage: name of the stage.
    """

    def __init__(self, stage: str, output: Path) -> None:
        self.stage = stage
        super().__init__(f"The files in {output} are not those that {stage} wrote. Check the disk.")


def stage_run(
    lake: Lake,
    config: StageConfig,
    trainer: TrainerConfig,
    *,
    tracking: Tracking,
    tags: Mapping[str, str],
) -> StageRun:
    """Returns the input of a stage's trainer. The stage starts from the result of the one before."""
    before = previous_stage(config.stage)
    rewarded = evaluator_weight(config) > 0
    return StageRun(
        config=config,
        editor=trainer.editor,
        mixture=lake.local_path(mixture_path(config.stage)),
        text_cache=lake.local_path(TEXT_CACHE),
        latent_cache=lake.local_path(LATENT_CACHE),
        init_from=lake.local_path(f"{stage_folder(before)}/final") if before else None,
        evaluator=lake.local_path(EVALUATOR) if rewarded else None,
        codec=lake.local_path(CODEC),
        output=lake.local_path(stage_folder(config.stage)),
        tracking=TrackingConfig(
            uri=tracking.uri,
            experiment=tracking.experiment,
            artifact_location=tracking.artifact_location,
            tags=dict(tags),
        ),
    )


def claim_stage(run: StageRun, ranks: int, *, fresh: bool, forced: bool) -> None:
    """Claims the folder of a stage's run before training starts; see `trainers.identity.claim`.

    Args:
        run: the stage.
        ranks: number of processes.
        fresh: archives a run that cannot be continued.
        forced: archives the run in any case.
    """
    with locked(run.output):
        if forced and segments_of(run.output):
            archive(run.output, run_fingerprint(run_identity(run)))
        claim(run, Layout(ranks, run.config.zero_stage), fresh=fresh)


def train_stage(run: StageRun, ranks: int, launch: Launch, progress: Progress) -> StepOutput:
    """Trains what is left of a stage and returns its files and facts.

    Args:
        run: from `stage_run`.
        ranks: number of processes.
        launch: starts the trainer and waits until it ends.
        progress: called with the last step that the trainer has logged.
    """
    stage = run.config.stage
    run.output.mkdir(parents=True, exist_ok=True)
    run_file = run.output / "run.json"
    run_file.write_text(run.model_dump_json(indent=1))
    result = finished_result(run.output)
    if result is None or result["steps"] != run.config.steps:
        with report_steps(run.output / "metrics.jsonl", run.config.steps, f"training {stage}", progress):
            launch(run_file, ranks)
        result = finished_result(run.output)
    if result is None:
        raise DamagedResultError(stage, run.output)
    files = tuple(f"{stage_folder(stage)}/{name}" for name in result.pop(FILES))
    return StepOutput(files, rows=result["steps"], facts={**result, "losses": loss_table(run.output)})


def loss_table(output: Path) -> list[dict[str, Any]]:
    """Returns one row per validation: step, losses, gradient norm, samples per second."""
    lines = read_metrics(output / "metrics.jsonl")
    columns = ("step", "validation_loss", "loss", "gradient_norm", "samples_per_second")
    return [{name: line.get(name) for name in columns} for line in lines if "validation_loss" in line]


@contextmanager
def report_steps(metrics: Path, steps: int, what: str, progress: Progress) -> Iterator[None]:
    """Reports the last step in a metrics file to `progress` while the body runs.

    A file from before may belong to another run, so it is ignored until the trainer has rewritten it.
    """
    ended = threading.Event()
    before = _changed_at(metrics)

    def follow() -> None:
        progress(what, 0, steps)
        while not ended.wait(POLL_SECONDS):
            if _changed_at(metrics) != before:
                progress(what, _last_step(metrics), steps)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _changed_at(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _last_step(metrics: Path) -> int:
    if not metrics.exists():
        return 0
    complete: Sequence[str] = [line for line in metrics.read_text().splitlines() if line.endswith("}")]
    return int(json.loads(complete[-1])["step"]) if complete else 0
