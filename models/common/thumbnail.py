"""The 64x64 thumbnails that copy detection, the evaluator and comparisons use."""

import cv2
import numpy as np

SIDE = 64

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G and B (ITU-R BT.601)."""


class ThumbnailSizeError(ValueError):
    """A stored thumbnail does not have the expected number of bytes.

    Attributes:
        size: the number of bytes found.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(
            f"A thumbnail has {size} bytes instead of {SIDE * SIDE * 3}. Run the image measures again."
        )


def resize_to_square(pixels: np.ndarray) -> np.ndarray:
    """Returns the whole image as (64, 64, 3), ignoring its aspect ratio, so that nothing is cropped."""
    enlarged = min(pixels.shape[:2]) < SIDE
    interpolation = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
    return cv2.resize(pixels, (SIDE, SIDE), interpolation=interpolation)


def squares_from_bytes(squares: list[bytes]) -> np.ndarray:
    """Returns squares stored as bytes, row by row in RGB, as (N, 64, 64, 3) uint8.

    Raises:
        ThumbnailSizeError: a square does not have 12,288 bytes.
    """
    size = SIDE * SIDE * 3
    wrong = [len(square) for square in squares if len(square) != size]
    if wrong:
        raise ThumbnailSizeError(wrong[0])
    return np.frombuffer(bytearray().join(squares), np.uint8).reshape(-1, SIDE, SIDE, 3)


def luminance(squares: np.ndarray) -> np.ndarray:
    """Returns the luminance of squares (N, 64, 64, 3) uint8 as (N, 64, 64) float32, 0 to 255."""
    return squares.astype(np.float32) @ LUMINANCE
