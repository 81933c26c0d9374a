"""Checkpoints, complete or not there: written under another name, digested, renamed; `latest` last."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from trainers.data.cache import write_bytes_atomically
from trainers.strategies.deepspeed import Engine, barrier, from_first_rank

MANIFEST = "manifest.json"
PREFIX = "step-"
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Position:
    """Where a run stood: optimizer steps taken, and seconds that they took in all runs so far."""

    step: int
    seconds: float


def save_checkpoint(
    folder: Path,
    position: Position,
    engine: Engine,
    *,
    state: dict[str, torch.Tensor],
    rank: int,
    keep: int,
) -> None:
    """Writes one checkpoint; every rank must call it.

    Args:
        folder: of all checkpoints of the run.
        position: where the run stands.
        engine: its weights and optimizer are saved.
        state: this rank's other tensors, such as a moving average.
        rank: of this process.
        keep: how many of the newest checkpoints stay.
    """
    unfinished = folder / UNFINISHED
    if rank == 0 and unfinished.exists():
        shutil.rmtree(unfinished)
    barrier()
    engine.save(folder, UNFINISHED)
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, str(_state_path(unfinished, rank))
    )
    barrier()
    if rank == 0:
        _publish(folder, position, keep)
    barrier()


def load_checkpoint(
    folder: Path, engine: Engine, *, rank: int
) -> tuple[Position, dict[str, torch.Tensor]] | None:
    """Returns position and this rank's tensors of the newest readable checkpoint, None where there is none.

    Every rank must call it; all take the checkpoint that rank 0 has verified.
    """
    readable = newest_readable(folder) if rank == 0 else None
    step = from_first_rank(-1 if readable is None else _step(readable))
    if step < 0:
        return None
    chosen = folder / _name(step)
    engine.load(folder, chosen.name)
    position = Position(**json.loads((chosen / MANIFEST).read_text())["position"])
    return position, load_file(str(_state_path(chosen, rank)))


def newest_readable(folder: Path) -> Path | None:
    """Returns the newest checkpoint whose files all have the sizes and digests of its manifest."""
    return next((path for path in reversed(checkpoints(folder)) if is_readable(path)), None)


def checkpoints(folder: Path) -> list[Path]:
    """Returns the checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if path.is_dir())


def is_readable(checkpoint: Path) -> bool:
    """Returns whether a checkpoint is as it was written."""
    try:
        expected = json.loads((checkpoint / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError):
        return False
    return expected == _digests(checkpoint)


def _publish(folder: Path, position: Position, keep: int) -> None:
    unfinished, finished = folder / UNFINISHED, folder / _name(position.step)
    record = {"position": asdict(position), "files": _digests(unfinished)}
    (unfinished / MANIFEST).write_text(json.dumps(record, indent=1, sort_keys=True))
    for path in _files(unfinished):
        _sync(path)
    _sync(unfinished / MANIFEST)
    if finished.exists():  # found unreadable at the start, and now made again
        shutil.rmtree(finished)
    unfinished.rename(finished)
    _sync(folder)
    write_bytes_atomically(folder / "latest", finished.name.encode())
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)


def _digests(checkpoint: Path) -> dict[str, str]:
    digests = {}
    for path in _files(checkpoint):
        with path.open("rb") as stream:
            digests[path.relative_to(checkpoint).as_posix()] = hashlib.file_digest(
                stream, "sha256"
            ).hexdigest()
    return digests


def _files(checkpoint: Path) -> Iterator[Path]:
    yield from sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != MANIFEST)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _state_path(checkpoint: Path, rank: int) -> Path:
    return checkpoint / f"trainer-rank{rank}.safetensors"


def _name(step: int) -> str:
    return f"{PREFIX}{step:08d}"


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))
