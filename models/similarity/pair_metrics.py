"""Similarity of two images of equal size: PSNR, SSIM, and the change of the most changed block."""

import cv2
import numpy as np

PSNR_CAP = 100.0
"""PSNR in decibels returned for equal images, whose true PSNR is infinite."""

SSIM_SIGMA, SSIM_RADIUS = 1.5, 5
"""The Gaussian window of Wang et al. (2004), with a side of 11 pixels."""

SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
BLOCKS = 8


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio of (H, W, 3) uint8 images in dB, at most 100."""
    return psnr_of_mse(float(np.mean((first.astype(np.float64) - second) ** 2)))


def psnr_of_mse(mse: float) -> float:
    """Returns the peak signal-to-noise ratio in dB, at most 100, for a mean squared error in levels."""
    return min(PSNR_CAP, 10 * float(np.log10(255**2 / mse))) if mse > 0 else PSNR_CAP


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the mean structural similarity of two images in greyscale, -1 to 1 (Wang et al., 2004).

    The border, where the window extends beyond the image, is ignored unless the image has no other pixels.

    Args:
        first: (H, W, 3) uint8.
        second: an image of the same size.
    """
    similarity = ssim_map(first, second)
    inner = similarity[SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS]
    return float((inner if inner.size else similarity).mean())


def ssim_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the structural similarity of two images in greyscale around each pixel, (H, W) float64.

    Args:
        first: (H, W, 3) uint8.
        second: an image of the same size.
    """
    left, right = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in (first, second))
    mean_left, mean_right = _windowed(left), _windowed(right)
    left_variance = _windowed(left * left) - mean_left**2
    right_variance = _windowed(right * right) - mean_right**2
    covariance = _windowed(left * right) - mean_left * mean_right
    similarity = (2 * mean_left * mean_right + SSIM_C1) * (2 * covariance + SSIM_C2)
    return similarity / (
        (mean_left**2 + mean_right**2 + SSIM_C1) * (left_variance + right_variance + SSIM_C2)
    )


def largest_block_change(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the mean absolute change, 0 to 1, of the most changed of 8x8 blocks.

    An edit of a small object changes one block strongly, but the mean over the image only slightly.

    Args:
        first: (H, W, 3) uint8.
        second: an image of the same size.
    """
    change = np.abs(first.astype(np.float32) - second).mean(2) / 255
    rows = min(BLOCKS, change.shape[0])
    columns = min(BLOCKS, change.shape[1])
    return float(cv2.resize(change, (columns, rows), interpolation=cv2.INTER_AREA).max())


def _windowed(values: np.ndarray) -> np.ndarray:
    size = 2 * SSIM_RADIUS + 1
    return cv2.GaussianBlur(values, (size, size), SSIM_SIGMA, borderType=cv2.BORDER_REFLECT)
