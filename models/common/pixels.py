"""Converts image files to the canonical pixels that all measures and models use, and back."""

import io

import cv2
import numpy as np
from PIL import Image

from models.common.canonical import UnreadableImageError, open_image_file, to_canonical
from models.common.fitting import cover

# With Intel IPP the last bits of some results (cv2.magnitude) depend on memory alignment, which differs from
# run to run, but measures must be reproducible. The switch applies to the importing thread only.
cv2.ipp.setUseIPP(False)


def decode(data: bytes, long_side: int | None = None, *, ground: str = "white") -> np.ndarray:
    """Returns canonical pixels, (H, W, 3) uint8 sRGB: upright, opaque, of the first full-size page.

    Args:
        data: bytes of the file.
        long_side: the longer side is shrunk to at most this many pixels, by area averaging, and never
            enlarged. A JPEG is decoded at a reduced DCT scale if that leaves at least `long_side` pixels.
        ground: colour behind transparent pixels.

    Raises:
        UnreadableImageError: header or pixel data are corrupt, truncated or too large.
    """
    try:
        with open_image_file(data) as image:
            if long_side is not None and image.format == "JPEG":
                image.draft("RGB", (long_side, long_side))
            pixels = np.asarray(to_canonical(image, ground))
    except UnreadableImageError:
        raise
    except Exception as error:  # Pillow plugins raise any type, from SyntaxError to struct.error
        raise UnreadableImageError(f"pixels do not decode: {error}") from error
    return shrink(pixels, long_side) if long_side is not None else pixels


def shrink(pixels: np.ndarray, long_side: int) -> np.ndarray:
    """Returns (H, W, 3) pixels whose longer side is at most `long_side`, by area averaging."""
    height, width = pixels.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def cover_crop(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns pixels scaled to cover (height, width) and cropped around the centre.

    Source and target of a pair are cropped to the same size, so their pixels stay aligned.
    """
    scaled_height, scaled_width, top, left = cover(pixels.shape[0], pixels.shape[1], height, width)
    shrinks = scaled_height < pixels.shape[0] or scaled_width < pixels.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, (scaled_width, scaled_height), interpolation=interpolation)
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def encode_png(pixels: np.ndarray) -> bytes:
    """Returns (H, W, 3) uint8 pixels as PNG; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def encode_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Returns (H, W, 3) uint8 pixels as JPEG with full-resolution chroma (4:4:4)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
