"""Images encoded for a vision-language model: unchanged, encoded again, shrunk, or resized to the source."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from models.common.canonical import FORMATS, UnreadableImageError, open_image_file, read_header
from models.common.pixels import decode
from models.vlm.messages import SOURCE, ImageRole, Show, Transport

MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""Formats that services accept unchanged; files of other formats are converted to PNG first."""

ORIENTATION_MARKS = (b"eXIf", b"Raw profile type", b"adobe.xmp")
"""Where a PNG can contain an orientation: a chunk of its own, or two kinds of text."""


class EncodedImage(NamedTuple):
    """An image as it is sent to a model."""

    role: ImageRole
    media_type: str
    data: bytes


@dataclass(frozen=True)
class ImagePayload:
    """The image files of one subject by role, read once for all of its questions, and the SHA-256 of each."""

    files: Mapping[ImageRole, bytes]
    digests: Mapping[ImageRole, str]

    def needs_normalizing(self, roles: tuple[ImageRole, ...]) -> bool:
        """Returns whether any of these images looks different in a viewer than in official scripts.

        Official scripts ignore the EXIF orientation and drop the alpha channel, so that transparent areas
        become black or show leftover colours.
        """
        return any(_needs_normalizing(self.files[role]) for role in roles)


def encode_image(show: Show, payload: ImagePayload, *, upright: bool) -> EncodedImage:
    """Returns an image encoded as its transport says.

    Args:
        show: which image, and how to encode it.
        payload: the files.
        upright: True: as a viewer shows the image, turned by its orientation and on white. False: as official
            scripts do, which ignore orientation and transparency.

    Raises:
        UnreadableImageError: the image does not decode.
    """
    data, transport = payload.files[show.role], show.transport
    if transport.format == "file" and not (upright and _needs_normalizing(data)):
        header = read_header(data)
        if header.format in MEDIA_TYPES:
            return EncodedImage(show.role, MEDIA_TYPES[header.format], data)
    image = _opened(data, upright=upright)
    if transport.like_source:
        image = image.resize(_opened(payload.files[SOURCE], upright=upright).size)
    if transport.longest_side is not None:
        image.thumbnail((transport.longest_side, transport.longest_side))
    return EncodedImage(show.role, *_encoded(image, transport))


def _encoded(image: Image.Image, transport: Transport) -> tuple[str, bytes]:
    stream = io.BytesIO()
    if transport.format == "jpeg":
        image.save(stream, format="JPEG", quality=transport.quality)
        return "image/jpeg", stream.getvalue()
    image.save(stream, format="PNG", compress_level=1)
    return "image/png", stream.getvalue()


def _opened(data: bytes, *, upright: bool) -> Image.Image:
    if upright:
        return Image.fromarray(decode(data))
    try:
        with open_image_file(data) as image:
            return image.convert("RGB")  # as the official scripts read it, which are to be reproduced
    except Exception as error:  # decoders raise any exception type, as noted in models.common.pixels
        raise UnreadableImageError(f"pixels do not decode: {error}") from error


def _needs_normalizing(data: bytes) -> bool:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.has_transparency_data:
            return True
        # Pillow decodes a PNG to its end to look for an orientation: 12 ms for 512 by 512 pixels.
        if image.format == "PNG" and not any(mark in data for mark in ORIENTATION_MARKS):
            return False
    return read_header(data).orientation != 1
