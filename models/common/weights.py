"""Weights of our own small models in a folder: safetensors, and a config that names the architecture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


def save_weights(folder: Path, weights: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> list[Path]:
    """Writes `model.safetensors` and `config.json`; returns their paths.

    Args:
        folder: made if it is missing.
        weights: by name.
        config: with `architecture`, which `load_weights` asks for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}))
    (folder / CONFIG).write_text(json.dumps(dict(config), indent=1, sort_keys=True) + "\n")
    return [folder / WEIGHTS, folder / CONFIG]


def load_weights(folder: Path, architecture: str) -> dict[str, torch.Tensor]:
    """Returns the weights of a folder by name.

    Raises:
        ValueError: the folder holds another architecture.
    """
    found = json.loads((folder / CONFIG).read_text()).get("architecture")
    if found != architecture:
        raise ValueError(
            f"{folder / CONFIG}: {architecture!r} expected, {found!r} found. "
            "Delete the folder and run again to train it anew."
        )
    return load_file(folder / WEIGHTS)
