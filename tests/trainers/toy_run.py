"""A trainer's whole world in a folder: random latents and texts, and stage runs that take moments."""

import socket
from pathlib import Path

import polars as pl
import torch

from models.common.seeding import torch_generator
from trainers.config import StageRun
from trainers.data.cache import MIXTURE, write_cache_table, write_index, write_tensors

EDITOR = {
    "latent_channels": 4,
    "layers": 1,
    "heads": 2,
    "head_dim": 16,
    "text_dim": 8,
    "rope_axes": (4, 6, 6),
    "zero_cond_t": False,
}

COMMON = {
    "steps": 6,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "schedule": "linear",
    "final_learning_rate": 0.0,
    "warmup_steps": 1,
    "betas": (0.9, 0.99),
    "weight_decay": 0.01,
    "gradient_clip": 1.0,
    "zero_stage": 2,
    "precision": "fp32",
    "balance_by": (),
    "loss_weight": {"mean": 0.0, "std": 1.0, "floor": 0.1},
    "resolution_shift": None,
    "checkpoint_every": 2,
    "keep_checkpoints": 2,
    "validate_every": 3,
    "validation_samples": 6,
    "validation_edits": 4,
    "sampling_steps": 2,
    "seed": 11,
}

PAIRS = {
    "prompts": 6,
    "samples_per_prompt": 2,
    "evaluator_weight": 0.0,
    "expert_share": 0.5,
    "batch_size": 8,
}

STAGES = {
    "pretrain": {"initial_exponent": 2.0},
    "ct": {"balance_by": ("category",)},
    "sft": {"balance_by": ("template",), "ema_decay": 0.9},
    "dpo": {"beta": 50.0, "omega": 1.5, "anchor": 1.0, "pairs": PAIRS},
    "nft": {
        "samples_per_prompt": 2,
        "updates_per_rollout": 4,
        "beta": 1.0,
        "advantage_clip": 2.0,
        "old_policy_decay": 0.5,
        "evaluator_weight": 0.0,
    },
}


def write_data(folder: Path) -> None:
    """Writes caches and one mixture: 12 training and 6 held-out samples, with no, one and two references."""
    rows, latents, states = [], {}, {}
    for number in range(18):
        references = number % 3
        keys = [f"image{number}-{place}@16x16" for place in range(references + 1)]
        latents |= {key: _draw(key, 4, 2, 2) for key in keys}
        states[f"text{number}"] = _draw(f"text{number}", 2 + number % 4, 8).to(torch.float16)
        rows.append(
            {
                "sample_id": f"sample{number}",
                "group_id": f"group{number}",
                "split": "train" if number < 12 else "heldout",
                "task": "i2i" if references else "t2i",
                "category": "stylistic" if references == 1 else "structural" if references else None,
                "subcategory": None,
                "template": f"template{references}" if references else None,
                "text_kind": "concise",
                "text_key": f"text{number}",
                "target_key": keys[0],
                "source_keys": keys[1:],
                "bucket": f"{'i2i' if references else 't2i'}|{references}|16x16|short",
                "weight": 1.0 + number % 2,
            }
        )
    write_tensors(folder / "latents", latents, shard="shard.safetensors")
    write_index(folder / "latents", [(key, "shard.safetensors", key) for key in latents])
    write_tensors(folder / "text", states, shard="shard.safetensors")
    write_index(folder / "text", [(key, "shard.safetensors", key) for key in states])
    write_cache_table(folder / "mixture.parquet", pl.DataFrame(rows, schema=dict(MIXTURE)), MIXTURE)


def stage_run(folder: Path, stage: str, output: Path, init_from: Path | None = None, **changes) -> StageRun:
    """Returns a run on the data of `write_data`; `changes` are of its configuration."""
    return StageRun.model_validate(
        {
            "config": {**COMMON, **STAGES[stage], "stage": stage, **changes},
            "editor": EDITOR,
            "mixture": folder / "mixture.parquet",
            "text_cache": folder / "text",
            "latent_cache": folder / "latents",
            "init_from": init_from,
            "evaluator": None,
            "codec": None,
            "output": output,
            "tracking": None,
        }
    )


def single_rank() -> dict[str, str]:
    """Returns what torchrun would tell the one rank of a run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    return names | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def read_weights(output: Path) -> dict[str, torch.Tensor]:
    """Returns the final weights of a run."""
    from safetensors.torch import load_file

    return load_file(output / "final" / "diffusion_pytorch_model.safetensors")


def _draw(name: str, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch_generator(0, "toy", name))


def train_here(run: StageRun, stop_at: int | None = None) -> bool:
    """Returns whether the run is finished, after training it in this process as the only rank.

    With `stop_at` the run is told to stop during that step, as by SIGTERM. Needs the fixture `one_rank`.
    """
    from trainers.train import run_stage

    taken = iter(range(1, 1_000_000))
    return run_stage(run, 0, 1, lambda: stop_at is not None and next(taken) == stop_at)
