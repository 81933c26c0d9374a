"""Training with DeepSpeed ZeRO: process group, wrapped model, sharded state.

No other module imports DeepSpeed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from trainers.config import StageConfig


def join_process_group() -> tuple[int, int]:
    """Joins the process group that torchrun's environment variables describe; returns (rank, world size)."""
    if not torch.cuda.is_available():
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    deepspeed.utils.logger.setLevel("WARNING")
    # Declares the shared-memory operator incompatible, so that gloo is used instead. Otherwise DeepSpeed
    # compiles it at the first start, which takes 160 seconds and fails without a compiler.
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
    """Returns the GPU of this rank, or the CPU without a GPU."""
    return (
        torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if torch.cuda.is_available()
        else torch.device("cpu")
    )


def sum_over_ranks(values: list[float]) -> list[float]:
    """Returns the sum of each value over the ranks."""
    # Float64, so that counts of samples stay exact.
    total = torch.tensor(values, dtype=torch.float64, device=local_device())
    dist.all_reduce(total)
    return total.tolist()


def from_first_rank(value: int) -> int:
    """Returns the value of rank 0 on every rank."""
    tensor = torch.tensor(value, device=local_device())
    dist.broadcast(tensor, 0)
    return int(tensor)


def barrier() -> None:
    """Waits for all ranks."""
    dist.barrier()


DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class DeepSpeedStrategy:
    """A transformer that is trained with DeepSpeed ZeRO.

    Attributes:
        model: the wrapped transformer, which forward passes call.
    """

    def __init__(self, transformer: torch.nn.Module, config: StageConfig, *, world_size: int) -> None:
        """Wraps a transformer.

        Args:
            transformer: the model, trained in place.
            config: optimizer, precision, ZeRO stage and global batch size.
            world_size: number of ranks.
        """
        import deepspeed

        trainable = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
        # Torch's AdamW: DeepSpeed's own takes three minutes to compile on a CPU and is no faster.
        optimizer = torch.optim.AdamW(
            trainable,
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        initialize: Any = deepspeed.initialize  # its annotations don't cover these arguments and results
        wrapped, *_ = initialize(
            model=transformer,
            optimizer=optimizer,
            config=deepspeed_config(config, world_size),
            dist_init_required=False,
        )
        self.model: Any = wrapped

    def step(self, loss: torch.Tensor, learning_rate: float) -> float:
        """Takes one optimizer step on the ranks' mean loss; returns the gradient norm before clipping."""
        self.model.backward(loss)
        # The rate is set here, not by a scheduler of DeepSpeed, so that it depends on the step alone and a
        # resumed run needs no scheduler state.
        for group in self.model.optimizer.param_groups:
            group["lr"] = learning_rate
        self.model.step()
        return float(self.model.get_global_grad_norm() or 0.0)

    def save(self, folder: Path, tag: str) -> None:
        """Writes this rank's shards of weights and optimizer to `folder/tag`. Every rank must call it."""
        self.model.save_checkpoint(str(folder), tag=tag, save_latest=False)

    def load(self, folder: Path, tag: str) -> None:
        """Restores what `save` wrote, bit for bit."""
        self.model.load_checkpoint(str(folder), tag=tag)

    def master_shards(self) -> list[torch.Tensor]:
        """Returns this rank's float32 master weights: the flat tensors that the optimizer updates."""
        optimizer = self.model.optimizer
        # DeepSpeed has no public name for them, and ZeRO 3 uses another one than ZeRO 1 and 2.
        stage3 = getattr(optimizer, "fp32_partitioned_groups_flat", None)
        return list(stage3 if stage3 is not None else optimizer.single_partition_of_fp32_groups)

    def full_weights(self, shards: list[torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
        """Returns all weights in float32 by name, on every rank.

        Args:
            shards: tensors to gather instead of the master weights, such as a moving average of
                `master_shards`.
        """
        from deepspeed.utils import safe_get_full_fp32_param

        with self._replace_masters(shards):
            weights = {}
            for name, parameter in self.model.module.named_parameters():
                master = safe_get_full_fp32_param(parameter) if parameter.requires_grad else None
                weights[name] = (_gather(parameter) if master is None else master).detach().float().clone()
            return weights

    @contextmanager
    def _replace_masters(self, shards: list[torch.Tensor] | None) -> Iterator[None]:
        # DeepSpeed gathers its own master weights only. Other shards are copied into them for that time.
        masters = self.master_shards()
        originals = [master.detach().clone() for master in masters] if shards is not None else []
        try:
            for master, shard in zip(masters, shards or masters, strict=True):
                master.data.copy_(shard)
            yield
        finally:
            for master, original in zip(masters, originals, strict=False):
                master.data.copy_(original)


def deepspeed_config(config: StageConfig, world_size: int) -> dict[str, Any]:
    """Returns the DeepSpeed config of a stage."""
    return {
        "train_micro_batch_size_per_gpu": config.batch_size // world_size,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": config.gradient_clip,
        "zero_optimization": {
            # Never 0: with bf16, DeepSpeed's stage 0 drifts from training with float32 master weights (loss
            # 2.2365 instead of 2.2302 after 6 steps).
            "stage": config.zero_stage,
            "overlap_comm": False,
            # By default, small parameters stay whole on every rank. In toy models that is all of them.
            "stage3_param_persistence_threshold": 0,
        },
        "bf16": {"enabled": config.precision == "bf16"},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 1_000_000_000,  # effectively never
    }


def _gather(parameter: torch.nn.Parameter) -> torch.Tensor:
    if not hasattr(parameter, "ds_id"):  # not sharded by ZeRO 3
        return parameter
    from deepspeed.runtime.zero import GatheredParameters

    with GatheredParameters([parameter]):
        return parameter.detach().clone()
