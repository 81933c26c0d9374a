"""How the bytes of an image file become the pixels that every measure and every model sees."""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

# Intel's primitives give other last bits for other alignments of memory (cv2.magnitude does), and those
# change from run to run; a measure has to be the same twice. The switch is that of the importing thread.
cv2.ipp.setUseIPP(False)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Pillow decoders that untrusted bytes may reach; Ghostscript, FITS and the like stay shut."""

MAX_PIXELS = 64_000_000
"""Larger headers are refused before a pixel is decoded: RGB at this size is 192 MB."""

ORIENTATION_TAG = 274


class UnreadableImageError(ValueError):
    """The bytes are not an image that Emberline decodes; the message is the reason, in lower case."""


class Header(NamedTuple):
    """What a file says of itself before its pixels are decoded; sizes are as stored, in pixels."""

    format: str
    width: int
    height: int
    orientation: int


def read_header(data: bytes) -> Header:
    """Returns format, stored size and EXIF orientation (1 to 8, 1 where absent or invalid).

    Raises:
        UnreadableImageError: not an image, a format outside `FORMATS`, or over `MAX_PIXELS`.
    """
    with _opened(data) as image:
        return Header(str(image.format), image.width, image.height, _orientation(image))


def decode(data: bytes, long_side: int | None = None, *, ground: str = "white") -> np.ndarray:
    """Returns canonical pixels, (H, W, 3) uint8 sRGB: upright, on white where transparent, first frame only.

    Another `ground` than white is for looking at what white hides.

    With `long_side` the longer side is shrunk to at most that many pixels (area averaging; never enlarged).
    A JPEG is decoded at a reduced DCT scale where that still leaves at least `long_side` pixels.

    Raises:
        UnreadableImageError: the header or the pixel data are broken, truncated or too large.
    """
    try:
        with _opened(data) as image:
            if long_side is not None and image.format == "JPEG":
                image.draft("RGB", (long_side, long_side))
            pixels = np.asarray(_canonical(image, ground))
    except UnreadableImageError:
        raise
    except Exception as error:  # Pillow's plugins raise anything, from SyntaxError to struct.error
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
    """Returns (height, width, 3): scaled to cover the box, then cropped around the centre.

    Source and target of a pair go through the same call with the same box, so pixels stay aligned.
    """
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    size = (max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, size, interpolation=interpolation)
    top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def encode_png(pixels: np.ndarray) -> bytes:
    """Returns (H, W, 3) uint8 pixels as PNG bytes; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def encode_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Returns (H, W, 3) uint8 pixels as JPEG bytes with full-resolution colour (4:4:4)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _opened(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # as in decode: header parsers raise anything
        reason = "not an image in a supported format"
        detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
        raise UnreadableImageError(reason + detail) from error
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(f"{image.width}x{image.height} pixels are over the limit of {MAX_PIXELS}")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception as error:  # a PNG may hold its EXIF behind pixels that are cut off
        raise UnreadableImageError(f"EXIF does not parse: {error}") from error
    return found if found in range(1, 9) else 1


def _canonical(image: Image.Image, ground: str) -> Image.Image:
    profile = image.info.get("icc_profile")
    image.load()
    upright = ImageOps.exif_transpose(image) or image
    if upright.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        upright = _eight_bit(upright)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, ground), upright)
    elif profile and upright.mode in ("RGB", "CMYK", "L"):
        upright = _to_srgb(upright, profile)
    return upright.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=0.0)), 1.0)
    return Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted or image
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile is common and says nothing about the pixels
