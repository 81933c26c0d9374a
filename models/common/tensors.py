"""Images as the tensors that models take. A copy of this file travels inside the registered model."""

import numpy as np
import torch


def to_model_range(images: np.ndarray) -> torch.Tensor:
    """Returns images (B, H, W, 3) with levels 0 to 255 as (B, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def from_model_range(pixels: torch.Tensor) -> np.ndarray:
    """Returns pixels (B, 3, H, W), clamped to [-1, 1], as images (B, H, W, 3) uint8."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()
