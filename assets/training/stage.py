"""One training stage: what its trainer is told, how it is followed, and what it leaves."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.lake.lake import Lake
from assets.lake.paths import CODEC, EVALUATOR, LATENT_CACHE, TEXT_CACHE, mixture_path, stage_folder
from assets.lake.steps import StepOutput
from assets.training.config import STAGES, Tracking, TrainerConfig
from models.common.progress import Progress
from trainers.config import AnyStageConfig, StageRun, TrackingConfig

Launch = Callable[[Path, int], None]
"""Trains the stage run of a JSON file on so many ranks; raises where it fails."""

POLL_SECONDS = 0.5


def stage_run(
    lake: Lake,
    config: AnyStageConfig,
    trainer: TrainerConfig,
    *,
    tracking: Tracking,
    tags: Mapping[str, str],
) -> StageRun:
    """Returns everything that the trainer of a stage is told; its start is the end of the stage before."""
    before = STAGES.index(config.stage) - 1
    return StageRun(
        config=config,
        editor=trainer.editor,
        mixture=lake.local_path(mixture_path(config.stage)),
        text_cache=lake.local_path(TEXT_CACHE),
        latent_cache=lake.local_path(LATENT_CACHE),
        init_from=lake.local_path(f"{stage_folder(STAGES[before])}/final") if before >= 0 else None,
        evaluator=lake.local_path(EVALUATOR),
        codec=lake.local_path(CODEC),
        output=lake.local_path(stage_folder(config.stage)),
        tracking=TrackingConfig(
            uri=tracking.uri,
            experiment=tracking.experiment,
            artifact_location=tracking.artifact_location,
            tags=dict(tags),
        ),
    )


def train_stage(run: StageRun, ranks: int, launch: Launch, progress: Progress) -> StepOutput:
    """Returns what a stage leaves, after training what was left of it.

    Args:
        run: from `stage_run`.
        ranks: processes.
        launch: starts the trainer and waits for it.
        progress: told of every step that the trainer has logged.
    """
    stage = run.config.stage
    run.output.mkdir(parents=True, exist_ok=True)
    run_file = run.output / "run.json"
    run_file.write_text(run.model_dump_json(indent=1))
    with followed(run.output / "metrics.jsonl", run.config.steps, f"training {stage}", progress):
        launch(run_file, ranks)
    result = json.loads((run.output / "result.json").read_text())
    final = sorted(path.name for path in (run.output / "final").iterdir())
    left = ("seen.parquet", *(f"final/{name}" for name in final))
    files = tuple(f"{stage_folder(stage)}/{name}" for name in left)
    return StepOutput(files, rows=result["steps"], facts={**result, "losses": loss_table(run.output)})


def loss_table(output: Path) -> list[dict[str, Any]]:
    """Returns one row a validation: step, losses, gradient norm, samples a second."""
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    shown = ("step", "validation_loss", "loss", "gradient_norm", "samples_per_second")
    return [{name: line.get(name) for name in shown} for line in lines if "validation_loss" in line]


@contextmanager
def followed(metrics: Path, steps: int, what: str, progress: Progress) -> Iterator[None]:
    """Reports the last step in a metrics file while the body runs.

    What lies there before may be of another run, which the trainer clears away once it has started.
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
