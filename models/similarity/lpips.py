"""LPIPS, a perceptual distance of two images; the user provides the weights.

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

from models.common.tensors import to_model_range

LAYERS = ((0, 64, 11, 4, 2), (3, 192, 5, 1, 2), (6, 384, 3, 1, 1), (8, 256, 3, 1, 1), (10, 256, 3, 1, 1))
"""Convolutions of AlexNet: index in `features` of torchvision, channels, kernel, stride, padding."""

LAYERS_AFTER_POOLING = (1, 2)
"""Numbers of the layers that follow a max pooling."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Normalisation of inputs in [-1, 1] by the authors."""

EPSILON = 1e-10


class LpipsWeightsError(ValueError):
    """The weights are missing or are not those of AlexNet and LPIPS."""


class Lpips:
    """The LPIPS distance with its weights."""

    def __init__(self, weights: Mapping[str, torch.Tensor], digest: str) -> None:
        """Takes tensors named as in torchvision and in the lpips package of the authors.

        Raises:
            LpipsWeightsError: a tensor is missing or has another shape.
        """
        self.identity: Mapping[str, Any] = {"lpips": "alex", "weights": digest}
        incoming, self._layers = 3, []
        for number, (index, channels, kernel, stride, padding) in enumerate(LAYERS):
            shape = (channels, incoming, kernel, kernel)
            convolution = _tensor(weights, f"features.{index}.weight", shape)
            bias = _tensor(weights, f"features.{index}.bias", (channels,))
            linear = _tensor(weights, f"lin{number}.model.1.weight", (1, channels, 1, 1))
            self._layers.append((convolution, bias, linear, stride, padding))
            incoming = channels

    @torch.no_grad()
    def distance(self, first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float | None:
        """Returns the mean distance over some pixels, 0 for equal images; None if no pixel is selected.

        Args:
            first: (H, W, 3) uint8.
            second: an image of the same size.
            where: (H, W) bool, the selected pixels.
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

    def _features(self, image: np.ndarray) -> list[torch.Tensor]:
        values = to_model_range(image[None])
        shift, scale = (torch.tensor(three)[None, :, None, None] for three in (SHIFT, SCALE))
        values = (values - shift) / scale
        features = []
        for number, (weight, bias, _, stride, padding) in enumerate(self._layers):
            if number in LAYERS_AFTER_POOLING:
                values = F.max_pool2d(values, 3, 2)
            values = F.relu(F.conv2d(values, weight, bias, stride, padding))
            features.append(values)
        return features


def load_lpips(folder: Path) -> Lpips:
    """Returns LPIPS with the weights in a folder.

    The safetensors files in the folder must contain `features.*` of AlexNet from torchvision and
    `lin*.model.1.weight` of the authors.

    Raises:
        LpipsWeightsError: a file is not valid, or a tensor is missing or has another shape.
    """
    files = sorted(folder.glob("*.safetensors"))
    weights: dict[str, torch.Tensor] = {}
    digest = sha256()
    for path in files:
        try:
            weights |= load_file(path)
        except SafetensorError as error:
            raise LpipsWeightsError(f"{path} is not a safetensors file: {error}") from error
        digest.update(path.read_bytes())
    return Lpips(weights, digest.hexdigest()[:12])


def _tensor(weights: Mapping[str, torch.Tensor], name: str, shape: tuple[int, ...]) -> torch.Tensor:
    tensor = weights.get(name)
    if tensor is None or tuple(tensor.shape) != shape:
        raise LpipsWeightsError(
            f"LPIPS needs a tensor {name} of shape {shape}, found "
            f"{'none' if tensor is None else tuple(tensor.shape)}. Give torchvision's AlexNet and the "
            "authors' alex.pth, each saved with safetensors.torch.save_file."
        )
    return tensor.float()


def _unit(features: torch.Tensor) -> torch.Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + EPSILON)
