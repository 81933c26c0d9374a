"""The folder of a stage run: whose it is, who may write to it, and what a finished run leaves there."""

import fcntl
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

from models.editor.transformer import save_editor
from trainers.config import StageRun
from trainers.data.cache import INDEX_NAME, write_bytes_atomically, write_cache_table
from trainers.data.sampler import SEEN
from trainers.metrics_file import read_metrics

RESULT = "result.json"
IDENTITY = "identity.json"
FINAL = "final"
UNFINISHED = "final.unfinished"
METRICS = "metrics.jsonl"
SEEN_TABLE = "seen.parquet"
MLFLOW_RUN_ID = "mlflow_run_id"
FOLDERS = ("checkpoints", "preferences", FINAL, UNFINISHED)
FILES = (RESULT, SEEN_TABLE, METRICS, MLFLOW_RUN_ID)
LOCK_SECONDS = 60.0

logger = logging.getLogger("emberline.train")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a run's folder: the ranks of a killed run may live on for a moment beside their successors.

    Raises:
        TimeoutError: another process has held the folder for a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        end = time.monotonic() + LOCK_SECONDS
        while not _try_lock(stream.fileno()):
            if time.monotonic() > end:
                raise TimeoutError(f"Another run has been training into {folder} for a minute. End it first.")
            time.sleep(0.2)
        yield


def input_digests(run: StageRun) -> dict[str, str]:
    """Returns the SHA-256 of what a run reads: mixture, cache indexes, and weights of models."""
    files = {
        "mixture": run.mixture,
        "text_cache": run.text_cache / INDEX_NAME,
        "latent_cache": run.latent_cache / INDEX_NAME,
    }
    for name, folder, maker in (
        ("init_from", run.init_from, "the training stage before this one"),
        ("evaluator", run.evaluator, "evaluator"),
        ("codec", run.codec, "train_cache"),
    ):
        if folder is None:
            continue
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise FileNotFoundError(f"{folder} holds no safetensors. Run {maker} first.")
        files[name] = weights[0]
    return {name: _digest(path) for name, path in files.items()}


def forget_other_run(run: StageRun, world_size: int) -> None:
    """Empties the folder if what lies there was made from other settings, data or ranks than this run's.

    Where things lie and where they are tracked is no part of what a run is.
    """
    identity = {
        "config": run.config.model_dump(mode="json"),
        "editor": run.model_dump(mode="json")["editor"],
        "inputs": input_digests(run),
        "world_size": world_size,
    }
    path = run.output / IDENTITY
    text = json.dumps(identity, indent=1, sort_keys=True) + "\n"
    if path.exists() and path.read_text() == text:
        return
    if path.exists():
        logger.info("%s holds another run of %s; it is made anew", run.output, run.config.stage)
    for name in FOLDERS:
        shutil.rmtree(run.output / name, ignore_errors=True)
    for name in FILES:
        (run.output / name).unlink(missing_ok=True)
    write_bytes_atomically(path, text.encode())


def publish(
    run: StageRun, editor: QwenImageTransformer2DModel, seen: pl.DataFrame, result: dict[str, Any]
) -> None:
    """Writes what a finished run leaves: the transformer, the samples that it saw, and, last, its result."""
    unfinished, final = run.output / UNFINISHED, run.output / FINAL
    shutil.rmtree(unfinished, ignore_errors=True)
    save_editor(editor, unfinished)
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    write_cache_table(run.output / SEEN_TABLE, seen, SEEN)
    write_bytes_atomically(run.output / RESULT, (json.dumps(result, indent=1) + "\n").encode())


def summarize(run: StageRun, *, world_size: int, seconds: float, mlflow_run_id: str | None) -> dict[str, Any]:
    """Returns the content of result.json: what a person asks of a finished stage."""
    config = run.config
    validated = [line for line in read_metrics(run.output / METRICS) if "validation_loss" in line]
    samples = config.steps * config.batch_size * world_size
    return {
        "stage": config.stage,
        "steps": config.steps,
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


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
