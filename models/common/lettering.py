"""Words drawn into pictures with a font that travels inside OpenCV, Latin and Chinese alike."""

import cv2
import numpy as np

FONT = "uni"
"""OpenCV's built-in WenQuanYi Micro Hei: no font file to find, so every machine draws the same pixels."""

MEASURED_AT = 100


def text_mask(text: str, max_width: int, max_height: int) -> np.ndarray:
    """Returns the coverage (h, w) uint8 of one line of text, cut tight, as large as fits the box.

    Raises:
        ValueError: the text has no visible sign, or the box is too small for a size of one pixel.
    """
    height, width = _drawn(text, MEASURED_AT).shape
    size = int(MEASURED_AT * min(max_width / max(width, 1), max_height / max(height, 1)))
    for smaller in range(size, 0, -1):  # hinting can make a size one pixel wider than proportion says
        mask = _drawn(text, smaller)
        if mask.shape[0] <= max_height and mask.shape[1] <= max_width:
            return mask
    raise ValueError(f"{text!r} does not fit into {max_width}x{max_height} pixels.")


def paint(
    pixels: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], *, top: int, left: int, opacity: float
) -> np.ndarray:
    """Returns a copy of (H, W, 3) pixels with `colour` laid over them where the mask (h, w) covers.

    What lies outside the picture is cut off.
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


def _drawn(text: str, size: int) -> np.ndarray:
    canvas = np.zeros((size * 2, size * (len(text) + 2), 3), np.uint8)
    at = (size // 2, size + size // 2)
    cv2.putText(canvas, text, at, (255, 255, 255), cv2.FontFace(FONT), size)
    rows, columns = np.nonzero(canvas[:, :, 0])
    if not rows.size:
        raise ValueError(f"{text!r} has no visible sign to draw.")
    return canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
