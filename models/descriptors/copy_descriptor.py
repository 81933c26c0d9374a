"""The copy descriptor: one unit vector a picture, near for copies of one photograph, far for anything else.

A small network trained with the recipe of SSCD (Pizzi et al., 2022, arXiv 2202.10261), which the report
names as the system behind its first level of deduplication (2.2.1).
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.common.thumbnail import SIDE, squeeze
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

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Returns unit vectors (B, 128) of pictures (B, 3, 64, 64) in [-1, 1]."""
        features = self.blocks(self.stem(pictures)).clamp(min=1e-6)
        pooled = features.pow(self.gem_power).mean((2, 3)).pow(1 / self.gem_power)
        return F.normalize(self.head(pooled), dim=1)

    @torch.no_grad()
    def describe(self, pictures: np.ndarray) -> np.ndarray:
        """Returns unit vectors (N, 128) float32 of squares (N, 64, 64, 3) uint8; a mirror image has the same.

        A picture's vector and that of its mirror image are added, so a mirrored copy costs no similarity.
        """
        parts = []
        for start in range(0, len(pictures), BATCH):
            batch = to_input(pictures[start : start + BATCH])
            both = self(batch) + self(batch.flip(3).contiguous(memory_format=torch.channels_last))
            parts.append(F.normalize(both, dim=1).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, DIMENSIONS), np.float32)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut; halves the resolution."""

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


def to_input(pictures: np.ndarray) -> torch.Tensor:
    """Returns (N, 3, H, W) float32 in [-1, 1] of (N, H, W, 3) uint8."""
    planes = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return planes.float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


def new_descriptor(seed: int) -> CopyDescriptor:
    """Returns an untrained descriptor whose weights follow from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CopyDescriptor().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def save_descriptor(model: CopyDescriptor, folder: Path) -> list[Path]:
    """Writes `model.safetensors` and `config.json`; returns their paths."""
    config = {"architecture": ARCHITECTURE, "input_side": SIDE, "dimensions": DIMENSIONS}
    return save_weights(folder, model.state_dict(), config)


def load_descriptor(folder: Path) -> CopyDescriptor:
    """Returns a saved descriptor, ready to describe.

    Raises:
        ValueError: the folder holds another architecture.
    """
    model = CopyDescriptor()
    model.load_state_dict(load_weights(folder, ARCHITECTURE))
    return model.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


def weights_digest(folder: Path) -> str:
    """Returns the first 12 hex digits of the SHA-256 of a saved model's weights."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:12]


def describe_pictures(
    folder: Path, digest: str, pictures: Sequence[np.ndarray]
) -> list[Mapping[str, list[float]]]:
    """Returns a row `{"vector": 128 floats}` for each (H, W, 3) picture; a worker loads the weights once."""
    if not pictures:
        return []
    vectors = _loaded(folder, digest).describe(np.stack([squeeze(picture) for picture in pictures]))
    return [{"vector": vector.tolist()} for vector in vectors]


@lru_cache(maxsize=1)
def _loaded(folder: Path, digest: str) -> CopyDescriptor:
    found = weights_digest(folder)
    if found != digest:
        raise ValueError(
            f"{folder / WEIGHTS}: digest {found} found, {digest} expected. Run the measures again."
        )
    return load_descriptor(folder)
