"""Stores the weights of a small model in a folder: safetensors and a config with the architecture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


class ArchitectureError(ValueError):
    """A folder has weights of another architecture.

    Attributes:
        found: the architecture in its config.
    """

    def __init__(self, config: Path, expected: str, found: str | None) -> None:
        self.found = found
        super().__init__(
            f"{config}: expected architecture {expected!r}, found {found!r}. "
            "Delete the folder and run the step again to train a new model."
        )


def save_weights(folder: Path, weights: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> list[Path]:
    """Writes `model.safetensors` and `config.json`; returns their paths.

    Args:
        folder: created if it is missing.
        weights: tensors by name.
        config: must have `architecture`, which `load_weights` checks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}))
    (folder / CONFIG).write_text(json.dumps(dict(config), indent=1, sort_keys=True) + "\n")
    return [folder / WEIGHTS, folder / CONFIG]


def load_weights(folder: Path, architecture: str) -> dict[str, torch.Tensor]:
    """Returns the weights of a folder by name.

    Raises:
        ArchitectureError: the folder has weights of another architecture.
    """
    found = json.loads((folder / CONFIG).read_text()).get("architecture")
    if found != architecture:
        raise ArchitectureError(folder / CONFIG, architecture, found)
    return load_file(folder / WEIGHTS)
