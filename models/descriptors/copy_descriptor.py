"""The copy descriptor: a unit vector for each image, similar for copies of one photograph only.

It is a small network trained with the recipe of SSCD (Pizzi et al., 2022, arXiv 2202.10261), which the report
uses for its first level of deduplication (2.2.1).
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.common.tensors import to_model_range
from models.common.thumbnail import SIDE, resize_to_square
from models.common.weights import WEIGHTS, load_weights, save_weights

DIMENSIONS = 128
ARCHITECTURE = "copy-descriptor-1"
BATCH = 64


class CopyDescriptor(nn.Module):
    """1.2 million parameters: a strided stem, three residual blocks, GeM pooling, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 5, 2, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.blocks = nn.Sequential(ResidualBlock(32, 64), ResidualBlock(64, 128), ResidualBlock(128, 256))
        self.gem_power = nn.Parameter(torch.tensor(3.0))
        self.head = nn.Linear(256, DIMENSIONS)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns unit vectors (B, 128) of images (B, 3, 64, 64) in [-1, 1]."""
        features = self.blocks(self.stem(images)).clamp(min=1e-6)
        pooled = features.pow(self.gem_power).mean((2, 3)).pow(1 / self.gem_power)
        return F.normalize(self.head(pooled), dim=1)

    @torch.no_grad()
    def describe(self, images: np.ndarray) -> np.ndarray:
        """Returns unit vectors (N, 128) float32 of squares (N, 64, 64, 3) uint8.

        The vectors of an image and of its mirror image are added, so both get the same vector.
        """
        parts = []
        for start in range(0, len(images), BATCH):
            batch = to_input(images[start : start + BATCH])
            both = self(batch) + self(batch.flip(3).contiguous(memory_format=torch.channels_last))
            parts.append(F.normalize(both, dim=1).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, DIMENSIONS), np.float32)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a 1x1 shortcut; halves the resolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, 2, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Returns (B, channels_out, H / 2, W / 2) of (B, channels_in, H, W)."""
        inner = F.relu(self.first_norm(self.first(features)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut(features))


def to_input(images: np.ndarray) -> torch.Tensor:
    """Returns (N, 3, H, W) float32 in [-1, 1] of (N, H, W, 3) uint8."""
    return to_model_range(np.ascontiguousarray(images)).contiguous(memory_format=torch.channels_last)


def new_descriptor(seed: int) -> CopyDescriptor:
    """Returns an untrained descriptor with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CopyDescriptor().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def save_descriptor(model: CopyDescriptor, folder: Path) -> list[Path]:
    """Writes `model.safetensors` and `config.json`; returns their paths."""
    config = {"architecture": ARCHITECTURE, "input_side": SIDE, "dimensions": DIMENSIONS}
    return save_weights(folder, model.state_dict(), config)


class WeightsChangedError(ValueError):
    """The weights in a folder are not those of the measure that uses them."""


def load_descriptor(folder: Path) -> CopyDescriptor:
    """Returns a saved descriptor, ready to describe.

    Raises:
        ArchitectureError: the folder has weights of another architecture.
    """
    model = CopyDescriptor()
    model.load_state_dict(load_weights(folder, ARCHITECTURE))
    return model.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


def weights_digest(folder: Path) -> str:
    """Returns the first 12 hex digits of the SHA-256 of a saved model's weights."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:12]


def describe_images(
    folder: Path, digest: str, images: Sequence[np.ndarray]
) -> list[Mapping[str, list[float]]]:
    """Returns a row `{"vector": 128 floats}` for each (H, W, 3) image; each process loads the weights once.

    Raises:
        WeightsChangedError: the weights in the folder do not have this digest.
    """
    if not images:
        return []
    vectors = _load_cached(folder, digest).describe(np.stack([resize_to_square(image) for image in images]))
    return [{"vector": vector.tolist()} for vector in vectors]


@lru_cache(maxsize=1)
def _load_cached(folder: Path, digest: str) -> CopyDescriptor:
    found = weights_digest(folder)
    if found != digest:
        raise WeightsChangedError(
            f"{folder / WEIGHTS}: expected digest {digest}, found {found}. Run the measures again."
        )
    return load_descriptor(folder)
