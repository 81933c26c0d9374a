"""The training loop of the small models in the data stages. A killed run resumes with the same bits."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from models.common.files import publish_file, temporary_beside
from models.common.progress import Progress

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Optimization:
    """Settings of AdamW with a linear warm-up, a cosine schedule to zero, and gradients clipped at norm 1."""

    steps: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    checkpoint_every: int
    threads: int

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))


def train_resumably(
    model: nn.Module,
    loss_of: Callable[[int], torch.Tensor],
    optimization: Optimization,
    *,
    folder: Path,
    identity: str,
    what: str,
    progress: Progress,
) -> list[float]:
    """Trains `model` in place and returns the loss of each step of this process.

    Args:
        model: model without other state than its parameters and buffers.
        loss_of: function from a step to its loss. It must depend on the step and the model only.
        optimization: steps, rates, checkpoints.
        folder: folder of the checkpoint. An unfinished run of the same identity resumes from it.
        identity: digest of data and settings. A checkpoint of another identity is not used.
        what: name of the task, for the progress.
        progress: called after each step.
    """
    # The learning rate is set at every step. Beta 2 is 0.99, because these runs have a few hundred steps,
    # over which 0.999 adapts too slowly (docs/log.md has figures for the editor).
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1.0, betas=(0.9, 0.99), weight_decay=optimization.weight_decay
    )
    losses = []
    with _threads(optimization.threads):
        start = _restore(model, optimizer, folder / CHECKPOINT, identity)
        model.train()
        progress(what, start, optimization.steps)
        for step in range(start, optimization.steps):
            for group in optimizer.param_groups:
                group["lr"] = optimization.rate(step)
            loss = loss_of(step)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            done = step + 1
            if done % optimization.checkpoint_every == 0 and done < optimization.steps:
                _save(model, optimizer, folder / CHECKPOINT, identity, done)
            progress(what, done, optimization.steps)
    model.eval()
    return losses


def forget_checkpoint(folder: Path) -> None:
    """Deletes the checkpoint of a run after its model has been saved."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _save(model: nn.Module, optimizer: torch.optim.Optimizer, path: Path, identity: str, step: int) -> None:
    tensors = {f"model/{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value.contiguous() for name, value in state.items()}
    temporary = temporary_beside(path)
    save_file(tensors, temporary, {"identity": identity, "step": str(step)})
    publish_file(temporary, path)


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, path: Path, identity: str) -> int:
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        if metadata["identity"] != identity:
            return 0
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a mapping
    weights = {
        name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")
    }
    model.load_state_dict(weights)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, field = name.split("/")
            state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return int(metadata["step"])
