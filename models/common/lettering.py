"""Draws Latin and Chinese text into images with a font that is part of OpenCV."""

import cv2
import numpy as np

FONT = "uni"
"""WenQuanYi Micro Hei, built into OpenCV: it needs no font file, so all machines draw the same pixels."""

REFERENCE_SIZE = 100


class InvisibleTextError(ValueError):
    """A text has no visible character to draw."""


class TextDoesNotFitError(ValueError):
    """A text does not fit into its box at any size."""


def text_mask(text: str, max_width: int, max_height: int) -> np.ndarray:
    """Returns the coverage (h, w) uint8 of one line of text, tightly cropped, at the largest size that fits.

    Raises:
        InvisibleTextError: the text has no visible character.
        TextDoesNotFitError: the box is too small.
    """
    height, width = _draw(text, REFERENCE_SIZE).shape
    size = int(REFERENCE_SIZE * min(max_width / max(width, 1), max_height / max(height, 1)))
    for smaller in range(size, 0, -1):  # hinting can make the text one pixel wider than expected
        mask = _draw(text, smaller)
        if mask.shape[0] <= max_height and mask.shape[1] <= max_width:
            return mask
    raise TextDoesNotFitError(f"{text!r} does not fit into {max_width}x{max_height} pixels.")


def paint(
    pixels: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], *, top: int, left: int, opacity: float
) -> np.ndarray:
    """Returns a copy of (H, W, 3) pixels with `colour` blended in by the coverage of the mask (h, w).

    The part of the mask outside the image is ignored.
    """
    painted = pixels.copy()
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + mask.shape[0], pixels.shape[0]), min(left + mask.shape[1], pixels.shape[1])
    if y0 >= y1 or x0 >= x1:
        return painted
    share = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.float32) * (opacity / 255)
    below = pixels[y0:y1, x0:x1].astype(np.float32)
    painted[y0:y1, x0:x1] = np.rint(below + (np.array(colour, np.float32) - below) * share).astype(np.uint8)
    return painted


def _draw(text: str, size: int) -> np.ndarray:
    canvas = np.zeros((size * 2, size * (len(text) + 2), 3), np.uint8)
    at = (size // 2, size + size // 2)
    cv2.putText(canvas, text, at, (255, 255, 255), cv2.FontFace(FONT), size)
    rows, columns = np.nonzero(canvas[:, :, 0])
    if not rows.size:
        raise InvisibleTextError(f"{text!r} has no visible character.")
    return canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
