"""The files of a finished run: the transformer, the samples that it saw, and its result."""

import json
import shutil
from typing import Any

import polars as pl
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

from models.common.files import file_digest, write_atomically
from models.editor.transformer import save_editor
from trainers.config import StageRun
from trainers.data.cache import write_cache_table
from trainers.data.sampler import SEEN
from trainers.identity import FILES, FINAL, RESULT, SEEN_TABLE, segments_of
from trainers.metrics_file import read_metrics

UNFINISHED = "final.unfinished"
METRICS = "metrics.jsonl"
MLFLOW_RUN_ID = "mlflow_run_id"


def publish(
    run: StageRun, editor: QwenImageTransformer2DModel, seen: pl.DataFrame, result: dict[str, Any]
) -> None:
    """Writes the transformer, the samples that the run saw, and, last, its result."""
    unfinished, final = run.output / UNFINISHED, run.output / FINAL
    # Older folders with these names come from a kill inside this function, before the result was written.
    shutil.rmtree(unfinished, ignore_errors=True)
    save_editor(editor, unfinished)
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    write_cache_table(run.output / SEEN_TABLE, seen, SEEN)
    names = [SEEN_TABLE, *sorted(f"{FINAL}/{path.name}" for path in final.iterdir())]
    files = {name: file_digest(run.output / name) for name in names}
    write_atomically(run.output / RESULT, (json.dumps(result | {FILES: files}, indent=1) + "\n").encode())


def summarize(run: StageRun, *, world_size: int, seconds: float, mlflow_run_id: str | None) -> dict[str, Any]:
    """Returns the content of result.json."""
    config = run.config
    validated = [line for line in read_metrics(run.output / METRICS) if "validation_loss" in line]
    samples = config.steps * config.batch_size
    return {
        "stage": config.stage,
        "steps": config.steps,
        "segments": list(segments_of(run.output)),
        "first_validation_loss": validated[0]["validation_loss"],
        "last_validation_loss": validated[-1]["validation_loss"],
        "first_validation_edit_error": validated[0].get("validation_edit_error"),
        "last_validation_edit_error": validated[-1].get("validation_edit_error"),
        "seconds": seconds,
        "samples_per_second": round(samples / max(seconds, 1e-9), 3),
        "world_size": world_size,
        "zero_stage": config.zero_stage,
        "mlflow_run_id": mlflow_run_id,
    }
