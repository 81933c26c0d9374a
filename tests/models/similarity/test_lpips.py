"""LPIPS with weights drawn at random, enough to tell whether the distance is computed as published."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn
from toy_weights import lpips_folder, lpips_weights

from models.similarity.lpips import LAYERS, Lpips, LpipsWeightsError, load_lpips

PHOTOGRAPH = data.astronaut()[100:228, 150:310]
EVERYWHERE = np.ones(PHOTOGRAPH.shape[:2], bool)


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    return Lpips(lpips_weights(), "drawn")


def brighter(amount: int) -> np.ndarray:
    return np.clip(PHOTOGRAPH.astype(int) + amount, 0, 255).astype(np.uint8)


def by_the_paper(first: np.ndarray, second: np.ndarray) -> float:
    """Equation 1 of the paper with torch's own AlexNet layers, one spatial mean a layer."""
    weights = lpips_weights()
    layers, incoming = [], 3
    for number, (place, channels, kernel, stride, padding) in enumerate(LAYERS):
        if number in (1, 2):
            layers.append(nn.MaxPool2d(3, 2))
        convolution = nn.Conv2d(incoming, channels, kernel, stride, padding)
        convolution.weight.data = weights[f"features.{place}.weight"]
        convolution.bias.data = weights[f"features.{place}.bias"]
        layers += [convolution, nn.ReLU()]
        incoming = channels
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    total, number = 0.0, 0
    left, right = (
        ((torch.from_numpy(picture).float() / 127.5 - 1 - shift) / scale).permute(2, 0, 1)[None]
        for picture in (first, second)
    )
    for layer in layers:
        left, right = layer(left), layer(right)
        if isinstance(layer, nn.ReLU):
            difference = (nn.functional.normalize(left) - nn.functional.normalize(right)) ** 2
            total += float((difference.detach() * weights[f"lin{number}.model.1.weight"]).sum(1).mean())
            number += 1
    return total


def test_equal_pictures_have_no_distance_and_changed_ones_do(lpips):
    assert lpips.distance(PHOTOGRAPH, PHOTOGRAPH, EVERYWHERE) == 0
    little, much = (lpips.distance(PHOTOGRAPH, brighter(amount), EVERYWHERE) for amount in (4, 60))
    assert 0 < little < much


def test_over_a_whole_picture_it_is_the_published_distance(lpips):
    found = lpips.distance(PHOTOGRAPH, brighter(40), EVERYWHERE)
    # Maps are enlarged before the mean here, so borders weigh a little differently.
    assert found == pytest.approx(by_the_paper(PHOTOGRAPH, brighter(40)), rel=0.03)


def test_only_the_pixels_that_count_do(lpips):
    changed = PHOTOGRAPH.copy()
    changed[:, :40] = 255 - changed[:, :40]
    right = EVERYWHERE.copy()
    right[:, :100] = False
    assert lpips.distance(PHOTOGRAPH, changed, right) < 0.3 * lpips.distance(PHOTOGRAPH, changed, ~right)
    assert lpips.distance(PHOTOGRAPH, changed, ~EVERYWHERE) is None


def test_weights_of_two_files_are_read_together(tmp_path: Path, lpips):
    loaded = load_lpips(lpips_folder(tmp_path))
    pair = (PHOTOGRAPH, brighter(20), EVERYWHERE)
    assert loaded.distance(*pair) == lpips.distance(*pair)


def test_missing_broken_and_dangerous_files_are_refused(tmp_path: Path):
    with pytest.raises(
        LpipsWeightsError, match=r"needs a tensor features.0.weight of shape \(64, 3, 11, 11\)"
    ):
        load_lpips(tmp_path)
    torch.save(lpips_weights(), tmp_path / "alex.pth")  # a pickle, which could run anything
    with pytest.raises(LpipsWeightsError, match="found none"):
        load_lpips(tmp_path)
    (tmp_path / "alex.safetensors").write_bytes(b"PK\x03\x04cut")
    with pytest.raises(LpipsWeightsError, match=r"alex\.safetensors is not a safetensors file"):
        load_lpips(tmp_path)
