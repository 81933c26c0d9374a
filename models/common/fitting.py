"""Which size an image is edited at, and how it is scaled to it: in training, in the pipeline and when served.

Needs numpy alone, because a copy of this file travels inside the registered model.
"""

import numpy as np

CUBIC = -0.75
"""Sharpness of the cubic kernel, as in OpenCV."""


def edit_size(height: int, width: int, sample_size: int, multiple: int) -> tuple[int, int]:
    """Returns height and width at which an image is edited: its shape, at the area of the training images.

    Both are multiples of what a token covers, so the shape is kept as nearly as tokens allow.

    Args:
        height: pixels of the upright image.
        width: like `height`.
        sample_size: side in pixels of the training images, which are squares.
        multiple: side in pixels of a token.
    """
    scale = sample_size / (height * width) ** 0.5
    fitted = [max(multiple, round(side * scale / multiple) * multiple) for side in (height, width)]
    return fitted[0], fitted[1]


def cover(height: int, width: int, to_height: int, to_width: int) -> tuple[int, int, int, int]:
    """Returns how an image is made to cover a size.

    These are height and width of the scaled image, and the row and column at which its middle is cut out.
    """
    scale = max(to_height / height, to_width / width)
    scaled_height, scaled_width = max(to_height, round(height * scale)), max(to_width, round(width * scale))
    return scaled_height, scaled_width, (scaled_height - to_height) // 2, (scaled_width - to_width) // 2


def fit(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns (H, W, 3) uint8 pixels scaled to cover (height, width) and cropped around the centre.

    Shrinks by area averaging and enlarges by cubic interpolation. Differs from OpenCV, which training uses
    because it is faster, by at most one grey level.
    """
    scaled_height, scaled_width, top, left = cover(pixels.shape[0], pixels.shape[1], height, width)
    rows = _weights(pixels.shape[0], scaled_height)[top : top + height]
    columns = _weights(pixels.shape[1], scaled_width)[left : left + width]
    narrow = np.einsum("ow,hwc->hoc", columns, pixels.astype(np.float32), optimize=True)
    fitted = np.einsum("oh,hwc->owc", rows, narrow, optimize=True)
    return np.clip(np.rint(fitted), 0, 255).astype(np.uint8)


def _weights(length: int, to: int) -> np.ndarray:
    """Returns the share of each of `length` pixels in each of `to` pixels, (to, length) float32."""
    if to < length:
        scale, pixel = length / to, np.arange(length)
        start = np.arange(to)[:, None] * scale
        overlap = np.minimum(start + scale, pixel + 1) - np.maximum(start, pixel)
        return (np.clip(overlap, 0, None) / scale).astype(np.float32)
    centre = (np.arange(to) + 0.5) * length / to - 0.5
    first = np.floor(centre).astype(int)
    weights = np.zeros((to, length), np.float32)
    for tap in (-1, 0, 1, 2):
        nearest = np.clip(first + tap, 0, length - 1)
        np.add.at(weights, (np.arange(to), nearest), _cubic(np.abs(centre - first - tap)))
    return weights


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Returns Keys' cubic kernel at distances from 0 to 2."""
    near = (CUBIC + 2) * distance**3 - (CUBIC + 3) * distance**2 + 1
    far = CUBIC * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, far)
