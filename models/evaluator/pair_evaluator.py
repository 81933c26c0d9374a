"""The evaluator: scores whether a target follows an instruction (report 2.6, embedded backend)."""

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models.common.weights import load_weights, save_weights

ARCHITECTURE = "pair-evaluator-1"
INSTRUCTION_CHANNELS = 384
WIDTH = 256
GRID = 4
"""Side of the grid of encoder features, which keeps positions because instructions mention them."""


class PairEvaluator(nn.Module):
    """The cosine of an embedding of the edit and one of the instruction; 1.3 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((9, 32, 64, 96, 128)):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
        self.edit = nn.Sequential(nn.Linear(128 * GRID**2, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.request = nn.Sequential(
            nn.Linear(INSTRUCTION_CHANNELS, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH)
        )
        self.scale = nn.Parameter(torch.tensor(15.0))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, source: torch.Tensor, target: torch.Tensor, instruction: torch.Tensor) -> torch.Tensor:
        """Returns logits (B,); arguments as in `score`."""
        return self.judge(self.see(source, target), self.understand(instruction))

    def see(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns unit vectors (B, 256) of edits, given images (B, 3, H, W)."""
        images = torch.cat([source, target, target - source], dim=1)
        return F.normalize(self.edit(self.encoder(images)), dim=1)

    def understand(self, instruction: torch.Tensor) -> torch.Tensor:
        """Returns unit vectors (B, 256) of requests, given sentence vectors (B, 384)."""
        # Components of unit vectors are about 0.05; scaled to unit variance, the layers learn from the
        # first steps.
        return F.normalize(self.request(instruction * INSTRUCTION_CHANNELS**0.5), dim=1)

    def judge(self, edits: torch.Tensor, requests: torch.Tensor) -> torch.Tensor:
        """Returns logits (...) of edits (..., 256) under requests (..., 256)."""
        return self.scale * (edits * requests).sum(-1) + self.bias

    @torch.no_grad()
    def score(self, source: torch.Tensor, target: torch.Tensor, instruction: torch.Tensor) -> torch.Tensor:
        """Returns the probability (B,) that the target is the source edited as instructed.

        Args:
            source: (B, 3, H, W) in [-1, 1]; trained on whole images resized to 64x64.
            target: (B, 3, H, W), resized alike.
            instruction: unit sentence vectors (B, 384) of the text encoder.
        """
        return torch.sigmoid(self(source, target, instruction))


def new_evaluator(seed: int) -> PairEvaluator:
    """Returns an untrained evaluator with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PairEvaluator()


def save_evaluator(model: PairEvaluator, folder: Path) -> list[Path]:
    """Writes `model.safetensors` and `config.json`; returns their paths."""
    config = {"architecture": ARCHITECTURE, "instruction_channels": INSTRUCTION_CHANNELS}
    return save_weights(folder, model.state_dict(), config)


def load_evaluator(folder: Path) -> PairEvaluator:
    """Returns a saved evaluator, ready to score.

    Raises:
        ArchitectureError: the folder has weights of another architecture.
    """
    model = PairEvaluator()
    model.load_state_dict(load_weights(folder, ARCHITECTURE))
    return model.eval()
