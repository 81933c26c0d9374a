"""How well an image was left alone outside the place of an edit."""

from typing import NamedTuple

import cv2
import numpy as np

from models.similarity.pair_metrics import SSIM_RADIUS, psnr_of_mse, ssim_map

LEAST_SHARE = 0.02
"""Of an image that must lie outside the edit: a thinner frame says nothing about the image."""


class Preservation(NamedTuple):
    """Differences over the pixels that count.

    Attributes:
        mse: mean squared difference of levels, 0 to 65,025.
        psnr: in dB, at most 100.
        ssim: mean structural similarity of grey values, -1 to 1.
        share: of the image that counted.
    """

    mse: float
    psnr: float
    ssim: float
    share: float


def preservation(source: np.ndarray, output: np.ndarray, outside: np.ndarray) -> Preservation | None:
    """Returns how an output differs from its source over some pixels; None where there are too few.

    Args:
        source: (H, W, 3) uint8.
        output: of the same size, laid back onto the source.
        outside: (H, W) bool, the pixels that must not change.
    """
    share = float(outside.mean())
    if share < LEAST_SHARE:
        return None
    squared = np.square(source[outside].astype(np.float64) - output[outside])
    mse = float(squared.mean())
    # A window of SSIM that reaches into the edit is not of the rest; where nothing else is left, it counts.
    window = np.ones((2 * SSIM_RADIUS + 1,) * 2, np.uint8)
    inner = cv2.erode(outside.astype(np.uint8), window, borderValue=0).astype(bool)
    similarity = ssim_map(source, output)[inner if inner.any() else outside]
    return Preservation(mse, psnr_of_mse(mse), float(similarity.mean()), share)
