"""LPIPS, the distance of two pictures as people see it; its weights are the user's to bring.

Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018; AlexNet.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file

LAYERS = ((0, 64, 11, 4, 2), (3, 192, 5, 1, 2), (6, 384, 3, 1, 1), (8, 256, 3, 1, 1), (10, 256, 3, 1, 1))
"""AlexNet's convolutions: number in torchvision's `features`, channels, kernel, stride, padding."""

POOLED_BEFORE = (1, 2)
"""Which of them a maximum pooling precedes."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of inputs in [-1, 1], as the authors normalise them."""

EPSILON = 1e-10


class LpipsWeightsError(ValueError):
    """The weights are not there, or not those of AlexNet and LPIPS."""


class Lpips:
    """The distance with its weights."""

    def __init__(self, weights: Mapping[str, torch.Tensor], digest: str) -> None:
        """Takes tensors by the names of torchvision and of the authors' lpips package.

        Raises:
            LpipsWeightsError: a tensor is missing or has another shape.
        """
        self.identity: Mapping[str, Any] = {"lpips": "alex", "weights": digest}
        incoming, self._layers = 3, []
        for number, (place, channels, kernel, stride, padding) in enumerate(LAYERS):
            shape = (channels, incoming, kernel, kernel)
            convolution = _tensor(weights, f"features.{place}.weight", shape)
            bias = _tensor(weights, f"features.{place}.bias", (channels,))
            linear = _tensor(weights, f"lin{number}.model.1.weight", (1, channels, 1, 1))
            self._layers.append((convolution, bias, linear, stride, padding))
            incoming = channels

    @torch.no_grad()
    def distance(self, first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float | None:
        """Returns the mean distance over some pixels, 0 for equal pictures; None where there are none.

        Args:
            first: (H, W, 3) uint8.
            second: of the same size.
            where: (H, W) bool, the pixels that count.
        """
        if not where.any():
            return None
        total = torch.zeros(where.shape)
        features = zip(self._features(first), self._features(second), strict=True)
        for (left, right), layer in zip(features, self._layers, strict=True):
            difference = F.conv2d((_unit(left) - _unit(right)).square(), layer[2])
            enlarged = F.interpolate(difference, size=where.shape, mode="bilinear", align_corners=False)
            total += enlarged[0, 0]
        return float(total[torch.from_numpy(where)].mean())

    def _features(self, picture: np.ndarray) -> list[torch.Tensor]:
        values = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        shift, scale = (torch.tensor(three)[None, :, None, None] for three in (SHIFT, SCALE))
        values = (values - shift) / scale
        found = []
        for number, (weight, bias, _, stride, padding) in enumerate(self._layers):
            if number in POOLED_BEFORE:
                values = F.max_pool2d(values, 3, 2)
            values = F.relu(F.conv2d(values, weight, bias, stride, padding))
            found.append(values)
        return found


def load_lpips(folder: Path) -> Lpips:
    """Returns LPIPS with the weights in a folder: all safetensors files there together hold torchvision's
    `features.*` of AlexNet and the authors' `lin*.model.1.weight`.

    Raises:
        LpipsWeightsError: they don't.
    """
    files = sorted(folder.glob("*.safetensors"))
    weights: dict[str, torch.Tensor] = {}
    digest = sha256()
    for path in files:
        try:
            weights |= load_file(path)
        except SafetensorError as error:
            raise LpipsWeightsError(f"{path} is no safetensors file: {error}") from error
        digest.update(path.read_bytes())
    return Lpips(weights, digest.hexdigest()[:12])


def _tensor(weights: Mapping[str, torch.Tensor], name: str, shape: tuple[int, ...]) -> torch.Tensor:
    found = weights.get(name)
    if found is None or tuple(found.shape) != shape:
        raise LpipsWeightsError(
            f"LPIPS needs a tensor {name} of shape {shape}, found "
            f"{'none' if found is None else tuple(found.shape)}. Give torchvision's AlexNet and the authors' "
            "alex.pth, each saved with safetensors.torch.save_file."
        )
    return found.float()


def _unit(features: torch.Tensor) -> torch.Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + EPSILON)
