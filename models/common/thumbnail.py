"""The small square that copy detection, the evaluator and comparisons see of a picture."""

import cv2
import numpy as np

SIDE = 64

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G and B (ITU-R BT.601)."""


def squeeze(pixels: np.ndarray) -> np.ndarray:
    """Returns (64, 64, 3): the whole picture in a square, whatever its shape, so no copy loses a side."""
    enlarged = min(pixels.shape[:2]) < SIDE
    interpolation = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
    return cv2.resize(pixels, (SIDE, SIDE), interpolation=interpolation)


def from_bytes(squares: list[bytes]) -> np.ndarray:
    """Returns (N, 64, 64, 3) uint8 of squares stored as bytes, row by row, RGB.

    Raises:
        ValueError: a square does not have 12,288 bytes.
    """
    size = SIDE * SIDE * 3
    wrong = [len(square) for square in squares if len(square) != size]
    if wrong:
        raise ValueError(f"a thumbnail has {wrong[0]} bytes, {size} expected: measure the images again")
    return np.frombuffer(bytearray().join(squares), np.uint8).reshape(-1, SIDE, SIDE, 3)


def grey(squares: np.ndarray) -> np.ndarray:
    """Returns luminance (N, 64, 64) float32, 0 to 255, of squares (N, 64, 64, 3) uint8."""
    return squares.astype(np.float32) @ LUMINANCE
