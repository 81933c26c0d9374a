"""Converts an opened image file to canonical pixels. The only place where an image file is decoded.

Needs Pillow and numpy alone, because a copy of this file travels inside the registered model.
"""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Pillow decoders used for untrusted bytes; others, such as Ghostscript and FITS, are never used."""

MAX_PIXELS = 64_000_000
"""Larger images are refused before pixels are decoded; RGB at this size takes 192 MB."""

ORIENTATION_TAG, NEW_SUBFILE_TYPE = 274, 254

DEEP = ("I;16", "I;16B", "I;16L", "I", "F")
"""Modes of one channel with more than 8 bits."""

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
RANGE_TAGS = ((340, 341), (280, 281))
"""Tags of a TIFF file with the least and the largest value: of any type, and of unsigned integers."""

WHITE_IS_ZERO, SIGNED = 0, 2

NEARLY_ALL = 0.99
"""Share of values that decides what a file without a declared range calls white."""

MAX_PAGES = 16
"""Pages of a file in which a full-size one is looked for."""


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
    with open_image_file(data) as image:
        return Header(str(image.format), image.width, image.height, _orientation(image))


def open_image_file(data: bytes) -> Image.Image:
    """Returns an image file as a Pillow image whose pixels are not decoded yet, at its first full-size page.

    Raises:
        UnreadableImageError: the file is no image, not in `FORMATS`, or larger than `MAX_PIXELS`.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.format == "TIFF":
            _skip_thumbnails(image)
        _scale_transparency(image)
    except Exception as error:  # header parsers raise any type
        reason = "not an image in a supported format"
        detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}"
        raise UnreadableImageError(reason + detail) from error
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(f"{image.width}x{image.height} pixels are over the limit of {MAX_PIXELS}")
    return image


def to_canonical(image: Image.Image, ground: str = "white") -> Image.Image:
    """Returns an image in RGB and sRGB: upright, 8 bits a channel, without transparency.

    Args:
        image: of any mode. Its colour profile counts in every mode, also beside an alpha channel.
        ground: colour behind transparent pixels.
    """
    profile = image.info.get("icc_profile")
    image.load()
    upright = ImageOps.exif_transpose(image) or image
    alpha = _alpha(upright)
    # The tags of a TIFF file are lost with the first operation on its pixels.
    deep = _to_eight_bit(upright, getattr(image, "tag_v2", {})) if image.mode in DEEP else None
    colour = _without_alpha(upright) if deep is None else deep
    if profile:
        colour = _to_srgb(colour, profile)
    colour = colour.convert("RGB")
    if alpha is None:
        return colour
    colour.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", colour.size, ground), colour).convert("RGB")


def _skip_thumbnails(image: Image.Image) -> None:
    """Moves to the first page of a TIFF file that is no reduced version of another one."""
    for page in range(min(getattr(image, "n_frames", 1), MAX_PAGES)):
        image.seek(page)
        if not int(image.tag_v2.get(NEW_SUBFILE_TYPE, 0)) & 1:  # pyright: ignore[reportAttributeAccessIssue]
            return
    image.seek(0)


def _scale_transparency(image: Image.Image) -> None:
    """Scales the transparent grey of a PNG with 2 or 4 bits to 8 bits, as Pillow scales the pixels alone."""
    tiles = getattr(image, "tile", ())  # what is still to be decoded, and how
    factor = {"L;2": 85, "L;4": 17}.get(str(tiles[0].args) if tiles else "")
    if factor and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= factor


def _alpha(image: Image.Image) -> Image.Image | None:
    """Returns the transparency as mode L, from a channel or from a transparent colour (PNG tRNS)."""
    if not image.has_transparency_data:
        return None
    key = image.info.get("transparency")
    if image.mode in DEEP and isinstance(key, int):
        return Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:  # Pillow keeps the high bytes alone
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in key)
    return image.convert("RGBA").getchannel("A")


def _without_alpha(image: Image.Image) -> Image.Image:
    """Returns the colours of an image, in a mode that colour management knows: RGB, CMYK or L."""
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if image.mode in ("LA", "La"):
        return image.convert("LA").convert("L")
    if image.mode == "RGBa":  # premultiplied
        return image.convert("RGBA").convert("RGB")
    return image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception as error:  # the EXIF of a PNG may be behind truncated pixel data
        raise UnreadableImageError(f"EXIF does not parse: {error}") from error
    return orientation if orientation in range(1, 9) else 1


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = (np.asarray(channel) for channel in image.split())
    return bool(np.array_equal(red, green) and np.array_equal(green, blue))


def _to_eight_bit(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """Returns deep grey values in 8 bits. A value out of their range becomes the end of the range.

    Args:
        image: of a mode in DEEP.
        tags: of a TIFF file; none for other formats.
    """
    stored = np.asarray(image)
    signed = _number(tags.get(SAMPLE_FORMAT)) == SIGNED
    if stored.dtype == np.int32 and _number(tags.get(BITS)) == 32 and not signed:
        stored = stored.view(np.uint32)  # Pillow has no mode for them
    values = np.nan_to_num(stored.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    low, high = _declared_range(tags) or (
        0.0,
        _white(values, image.mode, _number(tags.get(BITS)), signed=signed),
    )
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow inverts values of 8 bits, but no deeper ones
        share = 1.0 - share
    return Image.fromarray((share * 255.0).astype(np.uint8))


def _declared_range(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Returns the least and the largest value that a TIFF file says it holds; None if it says nothing."""
    for least, largest in RANGE_TAGS:
        low, high = (_number(tags.get(tag)) for tag in (least, largest))
        if high is not None and high > (low or 0.0):
            return low or 0.0, high
    return None


def _white(values: np.ndarray, mode: str, bits: float | None, *, signed: bool) -> float:
    """Returns the value of white in a file that declares none.

    Integers of 16 bits have one white. Of others it is the smallest usual one that nearly all values stay
    below, so that no stray value decides.
    """
    if mode == "F":
        usual = (1.0, 255.0, 65535.0)
    elif mode != "I" or bits is None or bits == 16:  # without bits, it is a PNG or PPM file of 16 bits
        return 32767.0 if signed else 65535.0
    else:
        usual = (65535.0, 2.0**31 - 1 if signed else 2.0**32 - 1)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return usual[0]
    below = [top for top in usual if np.mean(finite <= top) >= NEARLY_ALL]
    return below[0] if below else float(finite.max())


def _number(value: Any) -> float | None:
    first: Any = value[0] if isinstance(value, tuple) and value else value
    try:
        number = float(first)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) else None


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()  # pyright: ignore[reportAttributeAccessIssue]
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        elif space == "GRAY" and image.mode == "RGB" and _is_grey(image):
            image = image.convert("L")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted or image
    except (ImageCms.PyCMSError, OSError):
        return image  # corrupt profiles are common and do not affect the pixels
