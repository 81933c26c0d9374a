"""Pictures on their way to a judge: original, encoded anew, shrunk, or resized to the source."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from benchmarks.protocols.protocol import Role, Show, Transport
from models.common.pixels import FORMATS, UnreadableImageError, decode, read_header

MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""What judges accept as it is; everything else is encoded as PNG first."""


ORIENTATION_MARKS = (b"eXIf", b"Raw profile type", b"adobe.xmp")
"""Where a PNG can hold an orientation: a chunk of its own, or two kinds of text."""


class Sent(NamedTuple):
    """A picture as a judge gets it."""

    role: Role
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Carried:
    """The files of one item by role, read once for all of its questions, and the SHA-256 of each."""

    files: Mapping[Role, bytes]
    digests: Mapping[Role, str]

    def looks_otherwise(self, roles: tuple[Role, ...]) -> bool:
        """Returns whether official scripts show some of these pictures in another way than a viewer does.

        They ignore the orientation that a camera wrote, and show black or leftovers where a picture is
        transparent.
        """
        return any(_looks_otherwise(self.files[role]) for role in roles)


def send(show: Show, carried: Carried, *, upright: bool) -> Sent:
    """Returns a picture as its transport wants it.

    Args:
        show: which picture, and how.
        carried: the files.
        upright: as a viewer shows it, turned by its orientation and on white; else as official scripts do,
            which look at neither.

    Raises:
        UnreadableImageError: the picture does not decode, so no judge could look at it.
    """
    data, transport = carried.files[show.role], show.transport
    if transport.format == "file" and not (upright and _looks_otherwise(data)):
        header = read_header(data)
        if header.format in MEDIA_TYPES:
            return Sent(show.role, MEDIA_TYPES[header.format], data)
    image = _opened(data, upright=upright)
    if transport.like_source:
        image = image.resize(_opened(carried.files["source"], upright=upright).size)
    if transport.longest_side is not None:
        image.thumbnail((transport.longest_side, transport.longest_side))
    return Sent(show.role, *_encoded(image, transport))


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
    read_header(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.convert("RGB")
    except Exception as error:  # as in models.common.pixels: decoders raise anything
        raise UnreadableImageError(f"pixels do not decode: {error}") from error


def _looks_otherwise(data: bytes) -> bool:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.has_transparency_data:
            return True
        # Pillow decodes a PNG to its end to look for an orientation: 12 ms for 512 by 512 pixels.
        if image.format == "PNG" and not any(mark in data for mark in ORIENTATION_MARKS):
            return False
    return read_header(data).orientation != 1
