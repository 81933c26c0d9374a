"""The demo at the smallest size that still has every stage: what takes minutes takes a minute or two."""

from pathlib import Path
from typing import Any

import yaml

from orchestration.profile import PROFILES

SETTINGS: dict[str, Any] = {
    "name": "tiny",
    "demo": {"train_images": 24, "heldout_images": 10, "planted_per_defect": 1},
    "corpora": {"files_per_batch": 40},
    "descriptor": {"steps": 12, "batch_size": 16, "warmup_steps": 2, "checkpoint_every": 5},
    "synthesized": {"train_pairs": 70, "heldout_pairs": 40, "pairs_per_shard": 32},
    "longtail": {"refill_pairs": 4},
    "evaluator_training": {"steps": 12, "batch_size": 16, "warmup_steps": 2, "checkpoint_every": 5},
    "postfiltered": {"min_alignment": 0.0},
    "encode": {"codec_images": 40, "latents_per_shard": 64, "texts_per_shard": 256},
    "bench": {"samples_per_kind": 1, "shown_per_kind": 2, "steps": 2},
}
STAGE = {
    "steps": 6,
    "batch_size": 16,  # over two ranks
    "warmup_steps": 0,
    "checkpoint_every": 2,
    "validate_every": 3,
    "validation_samples": 8,
    "validation_edits": 0,
    "sampling_steps": 2,
}
STAGES: dict[str, dict[str, Any]] = {
    "dpo": {"pairs": {"prompts": 4, "samples_per_prompt": 2, "batch_size": 4}},
    "nft": {"samples_per_prompt": 4, "updates_per_rollout": 2},
}


def write_tiny_profile(path: Path, **changes: Any) -> Path:
    """Returns the path, after writing there the demo's profile with small sizes and these changes."""
    profile = yaml.safe_load((PROFILES / "demo.yaml").read_text())
    merge(profile, SETTINGS)
    for name in ("pretrain", "ct", "sft", "dpo", "nft"):
        merge(profile["training"][name], STAGE)
        merge(profile["training"][name], STAGES.get(name, {}))
    merge(profile, changes)
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    return path


def merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """Puts nested changes into nested settings."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value
