"""Converts an opened image file to canonical pixels. The only place where an image file is decoded.

Needs Pillow and numpy alone, because a copy of this file travels inside the registered model.
"""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""Pillow decoders used for untrusted bytes; others, such as Ghostscript and FITS, are never used."""

MAX_PIXELS = 64_000_000
"""Larger images are refused before pixels are decoded; RGB at this size takes 192 MB."""

ORIENTATION_TAG, NEW_SUBFILE_TYPE = 274, 254

DEEP = ("I;16", "I;16B", "I;16L", "I", "F")
"""Modes of one channel with more than 8 bits."""

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
    colour = _without_alpha(upright)
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
    if image.mode in DEEP:
        return _to_eight_bit(image)
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


def _to_eight_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=0.0)), 1.0)
    return Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))


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
