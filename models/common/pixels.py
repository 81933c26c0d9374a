"""Converts image files to the canonical pixels that all measures and models use, and back."""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

# With Intel IPP the last bits of some results (cv2.magnitude) depend on memory alignment, which differs from
# run to run, but measures must be reproducible. The switch applies to the importing thread only.
cv2.ipp.setUseIPP(False)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Pillow decoders used for untrusted bytes; others, such as Ghostscript and FITS, are never used."""

MAX_PIXELS = 64_000_000
"""Larger images are refused before pixels are decoded; RGB at this size takes 192 MB."""

ORIENTATION_TAG = 274


class UnreadableImageError(ValueError):
    """An image file cannot be decoded; the message is the reason in lower case, stored in records."""


class Header(NamedTuple):
    """The header of an image file; width and height are as stored, in pixels."""

    format: str
    width: int
    height: int
    orientation: int


def read_header(data: bytes) -> Header:
    """Returns format, stored size and EXIF orientation (1 to 8; 1 if absent or invalid).

    Raises:
        UnreadableImageError: the file is no image, not in `FORMATS`, or larger than `MAX_PIXELS`.
    """
    with _open(data) as image:
        return Header(str(image.format), image.width, image.height, _orientation(image))


def decode(data: bytes, long_side: int | None = None, *, ground: str = "white") -> np.ndarray:
    """Returns canonical pixels, (H, W, 3) uint8 sRGB: upright, without transparency, first frame only.

    Args:
        data: bytes of the file.
        long_side: the longer side is shrunk to at most this many pixels, by area averaging, and never
            enlarged. A JPEG is decoded at a reduced DCT scale if that leaves at least `long_side` pixels.
        ground: colour behind transparent pixels.

    Raises:
        UnreadableImageError: header or pixel data are corrupt, truncated or too large.
    """
    try:
        with _open(data) as image:
            if long_side is not None and image.format == "JPEG":
                image.draft("RGB", (long_side, long_side))
            pixels = np.asarray(_to_canonical(image, ground))
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
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    size = (max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, size, interpolation=interpolation)
    top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
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


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # header parsers raise any type
        reason = "not an image in a supported format"
        detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
        raise UnreadableImageError(reason + detail) from error
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(f"{image.width}x{image.height} pixels are over the limit of {MAX_PIXELS}")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception as error:  # the EXIF of a PNG may be behind truncated pixel data
        raise UnreadableImageError(f"EXIF does not parse: {error}") from error
    return orientation if orientation in range(1, 9) else 1


def _to_canonical(image: Image.Image, ground: str) -> Image.Image:
    profile = image.info.get("icc_profile")
    image.load()
    upright = ImageOps.exif_transpose(image) or image
    if upright.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        upright = _to_eight_bit(upright)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, ground), upright)
    elif profile and upright.mode in ("RGB", "CMYK", "L"):
        upright = _to_srgb(upright, profile)
    return upright.convert("RGB")


def _to_eight_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=0.0)), 1.0)
    return Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted or image
    except (ImageCms.PyCMSError, OSError):
        return image  # corrupt profiles are common and do not affect the pixels
