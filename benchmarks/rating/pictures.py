"""Images that say nothing of where they came from: equal sizes in pixels and bytes, no metadata."""

import hashlib
import struct
import zlib

import cv2
import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
FILLER_CHUNK = b"faDe"
"""Ancillary, private and safe to copy by PNG's naming rules, so that every decoder skips it."""

CHUNK_OVERHEAD = 12
STRETCH = 0.03
"""Shapes that differ by less are taken as equal: editors round sizes to a multiple of 8 to 32, and a grey bar
would tell which."""

SURROUND = 128
"""Grey beside an image whose shape is not that of the source: neither light nor dark draws the eye."""


def fit_canvas(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns (height, width, 3): the whole image as large as fits, centred on grey.

    An output of the source's shape fills the canvas. One of another shape is not stretched, because a rater
    must see that.
    """
    rows, columns = height / pixels.shape[0], width / pixels.shape[1]
    scale = min(rows, columns)
    if max(rows, columns) / scale > 1 + STRETCH:
        inner = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    else:
        inner = (height, width)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted = (
        pixels if pixels.shape[:2] == inner else cv2.resize(pixels, inner[::-1], interpolation=interpolation)
    )
    canvas = np.full((height, width, 3), SURROUND, np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = fitted
    return canvas


def padded_png(data: bytes, length: int, *, key: str) -> bytes:
    """Returns the PNG with a filler chunk, exactly `length` bytes: sizes and digests of files tell nothing.

    Args:
        data: a PNG of at most `length - 12` bytes.
        length: of the result, equal for all images of a page.
        key: what the filler is derived from; images with equal pixels get different bytes.

    Raises:
        ValueError: the PNG is too long, or not a PNG.
    """
    room = length - len(data) - CHUNK_OVERHEAD
    if room < 0 or not data.startswith(PNG_SIGNATURE):
        raise ValueError(
            f"A PNG of at most {length - CHUNK_OVERHEAD} bytes expected, {len(data)} bytes found."
        )
    filler = hashlib.shake_128(key.encode()).digest(room)
    chunk = struct.pack(">I", room) + FILLER_CHUNK + filler
    end = len(data) - CHUNK_OVERHEAD  # IEND, always the last, is a chunk without data
    return data[:end] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + data[end:]
