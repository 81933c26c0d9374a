"""The only module that touches DeepSpeed: process group, engine, and the engine's sharded state."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from trainers.config import StageConfig


def join_process_group() -> tuple[int, int]:
    """Returns (rank, world size) after joining the group that torchrun's environment variables describe."""
    if not torch.cuda.is_available():
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    deepspeed.utils.logger.setLevel("WARNING")
    # Says beforehand that no compiled operator fits. Asking DeepSpeed runs compilers, and its shared-memory
    # operator would be built at the first start: 160 seconds, or an error where there is no compiler.
    deepspeed.ops.__dict__["__compatible_ops__"] = {"deepspeed_shm_comm": False}
    if not dist.is_initialized():
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        deepspeed.init_distributed(dist_backend=backend, verbose=False)
    return dist.get_rank(), dist.get_world_size()


def leave_process_group() -> None:
    """Leaves the process group, if this process is in one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def local_device() -> torch.device:
    """Returns the GPU of this rank, or the CPU where there is none."""
    return (
        torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if torch.cuda.is_available()
        else torch.device("cpu")
    )


def sum_over_ranks(values: list[float]) -> list[float]:
    """Returns the sum of each value over the ranks."""
    total = torch.tensor(values, dtype=torch.float64, device=local_device())
    dist.all_reduce(total)
    return total.tolist()


def from_first_rank(value: int) -> int:
    """Returns rank 0's value on all ranks."""
    tensor = torch.tensor(value, device=local_device())
    dist.broadcast(tensor, 0)
    return int(tensor)


def barrier() -> None:
    """Waits for all ranks."""
    dist.barrier()


class Engine:
    """A transformer that DeepSpeed trains. `model` is what forward passes call.

    The optimizer is Torch's AdamW: DeepSpeed's own would be compiled for three minutes and is no faster here.
    """

    def __init__(self, transformer: torch.nn.Module, config: StageConfig) -> None:
        import deepspeed

        trainable = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            trainable,
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        initialize: Any = deepspeed.initialize  # its annotations promise less than it takes and returns
        engine, *_ = initialize(
            model=transformer,
            optimizer=optimizer,
            config=engine_config(config),
            dist_init_required=False,
        )
        self.model: Any = engine

    def step(self, loss: torch.Tensor, learning_rate: float) -> float:
        """Takes one optimizer step on the ranks' mean loss; returns the gradient's norm before clipping."""
        self.model.backward(loss)
        for group in self.model.optimizer.param_groups:
            group["lr"] = learning_rate
        self.model.step()
        return float(self.model.get_global_grad_norm() or 0.0)

    def save(self, folder: Path, tag: str) -> None:
        """Writes this rank's part of weights and optimizer into `folder/tag`; every rank must call it."""
        self.model.save_checkpoint(str(folder), tag=tag, save_latest=False)

    def load(self, folder: Path, tag: str) -> None:
        """Reads what `save` wrote, bit for bit."""
        self.model.load_checkpoint(str(folder), tag=tag)

    def master_shards(self) -> list[torch.Tensor]:
        """Returns this rank's float32 master weights: flat tensors that the optimizer steps, not copies."""
        optimizer = self.model.optimizer
        stage3 = getattr(optimizer, "fp32_partitioned_groups_flat", None)
        return list(stage3 if stage3 is not None else optimizer.single_partition_of_fp32_groups)

    def full_weights(self, shards: list[torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
        """Returns all weights in float32 by name, on every rank.

        Args:
            shards: in the place of the master weights, such as a moving average of `master_shards`.
        """
        from deepspeed.utils import safe_get_full_fp32_param

        with self._masters_replaced(shards):
            weights = {}
            for name, parameter in self.model.module.named_parameters():
                master = safe_get_full_fp32_param(parameter) if parameter.requires_grad else None
                weights[name] = (_gathered(parameter) if master is None else master).detach().float().clone()
            return weights

    @contextmanager
    def _masters_replaced(self, shards: list[torch.Tensor] | None) -> Iterator[None]:
        masters = self.master_shards()
        kept = [master.detach().clone() for master in masters] if shards is not None else []
        try:
            for master, shard in zip(masters, shards or masters, strict=True):
                master.data.copy_(shard)
            yield
        finally:
            for master, old in zip(masters, kept, strict=False):
                master.data.copy_(old)


def engine_config(config: StageConfig) -> dict[str, Any]:
    """Returns DeepSpeed's configuration of a stage."""
    return {
        "train_micro_batch_size_per_gpu": config.batch_size,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": config.gradient_clip,
        "zero_optimization": {
            "stage": config.zero_stage,
            "overlap_comm": False,
            "stage3_param_persistence_threshold": 0,
        },
        "bf16": {"enabled": config.precision == "bf16"},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 1_000_000_000,
    }


def _gathered(parameter: torch.nn.Parameter) -> torch.Tensor:
    if not hasattr(parameter, "ds_id"):
        return parameter
    from deepspeed.runtime.zero import GatheredParameters

    with GatheredParameters([parameter]):
        return parameter.detach().clone()
