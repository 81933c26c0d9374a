"""Checkpoints, written so that each is either complete or absent.

A checkpoint is written under another name, its files are digested, and the folder is renamed; `latest` is
written last. No state of random generators is saved: every draw is keyed by seed, purpose and step.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.common.files import file_digest, sync, write_atomically
from trainers.identity import Layout
from trainers.strategies.deepspeed import DeepSpeedStrategy, barrier, from_first_rank

MANIFEST = "manifest.json"
PREFIX = "step-"
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class TrainProgress:
    """The optimizer steps that a run has taken, and the seconds that they took over all resumes."""

    step: int
    seconds: float


def save_checkpoint(
    folder: Path,
    progress: TrainProgress,
    strategy: DeepSpeedStrategy,
    *,
    state: dict[str, torch.Tensor],
    rank: int,
    keep: int,
    layout: Layout,
) -> None:
    """Writes one checkpoint. Every rank must call it.

    Args:
        folder: folder of all checkpoints of the run.
        progress: progress of the run.
        strategy: its weights and optimizer state are saved.
        state: other tensors of this rank, such as a moving average.
        rank: rank of this process.
        keep: number of newest checkpoints to keep.
        layout: how the state is sharded. It is recorded because only ranks of the same layout can read it.
    """
    unfinished = folder / UNFINISHED
    if rank == 0 and unfinished.exists():
        shutil.rmtree(unfinished)
    barrier()
    strategy.save(folder, UNFINISHED)
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, str(_state_path(unfinished, rank))
    )
    barrier()
    if rank == 0:
        _publish(folder, progress, keep, layout)
    barrier()


def load_checkpoint(
    folder: Path, strategy: DeepSpeedStrategy, *, rank: int
) -> tuple[TrainProgress, dict[str, torch.Tensor]] | None:
    """Returns progress and this rank's tensors of the newest readable checkpoint; None without one.

    Every rank must call it. All ranks load the checkpoint that rank 0 has verified.
    """
    readable = newest_readable(folder) if rank == 0 else None
    step = from_first_rank(-1 if readable is None else _step(readable))
    if step < 0:
        return None
    chosen = folder / _name(step)
    strategy.load(folder, chosen.name)
    progress = TrainProgress(**json.loads((chosen / MANIFEST).read_text())["position"])
    return progress, load_file(str(_state_path(chosen, rank)))


def newest_readable(folder: Path) -> Path | None:
    """Returns the newest checkpoint whose files all have the digests of its manifest."""
    return next((path for path in reversed(checkpoints(folder)) if is_readable(path)), None)


def checkpoints(folder: Path) -> list[Path]:
    """Returns the checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if path.is_dir())


def is_readable(checkpoint: Path) -> bool:
    """Returns whether the files of a checkpoint are those that were written."""
    try:
        expected = json.loads((checkpoint / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError):
        return False
    return expected == _digests(checkpoint)


def _publish(folder: Path, progress: TrainProgress, keep: int, layout: Layout) -> None:
    unfinished, finished = folder / UNFINISHED, folder / _name(progress.step)
    record = {
        "position": asdict(progress),
        "layout": asdict(layout),
        "files": _digests(unfinished),
    }
    (unfinished / MANIFEST).write_text(json.dumps(record, indent=1, sort_keys=True))
    for path in _files(unfinished):
        sync(path)
    sync(unfinished / MANIFEST)
    if finished.exists():  # it was unreadable when the run resumed
        shutil.rmtree(finished)
    unfinished.rename(finished)
    sync(folder)
    write_atomically(folder / "latest", finished.name.encode())
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)


def _digests(checkpoint: Path) -> dict[str, str]:
    return {path.relative_to(checkpoint).as_posix(): file_digest(path) for path in _files(checkpoint)}


def _files(checkpoint: Path) -> Iterator[Path]:
    yield from sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != MANIFEST)


def _state_path(checkpoint: Path, rank: int) -> Path:
    return checkpoint / f"trainer-rank{rank}.safetensors"


def _name(step: int) -> str:
    return f"{PREFIX}{step:08d}"


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))
