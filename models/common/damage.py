"""Finds damaged files that decode all the same: their decoder warns, or a checksum in the file is wrong."""

import struct
import zlib
from collections.abc import Iterator

JPEG_START, PNG_START, RIFF_START = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"
CHUNK_HEAD, CHUNK_CRC = struct.Struct(">I4s"), struct.Struct(">I")
RIFF_HEAD = struct.Struct("<4sI4s")

PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT")
"""PNG chunks that decide the pixels. A wrong checksum of another chunk does no harm."""

CORRUPT = "Corrupt JPEG data"
"""How warnings of libjpeg begin that concern coded pixels. Others, such as a missing end, cost no pixel."""


def damage(data: bytes) -> str | None:
    """Returns how an image file that decodes is damaged; None if nothing tells.

    - JPEG: libjpeg's warnings about the coded pixels. They do not find every flipped bit: a decoder that is
      in step again after some blocks has nothing to warn of.
    - PNG: the CRC-32 of every chunk that decides pixels, and the end of the file.
    - WebP: the length of the file.
    """
    if data.startswith(JPEG_START):
        return _jpeg_warning(data)
    if data.startswith(PNG_START):
        return next(_png_faults(data), None)
    if data.startswith(RIFF_START) and len(data) >= RIFF_HEAD.size:
        length = RIFF_HEAD.unpack_from(data)[1] + 8
        return f"it has {len(data):,} bytes instead of {length:,}" if len(data) < length else None
    return None


def _jpeg_warning(data: bytes) -> str | None:
    import simplejpeg

    try:
        header = simplejpeg.decode_jpeg_header(data, strict=False)
        colorspace = "CMYK" if header[2] in ("CMYK", "YCCK") else "GRAY"
        # All coded data is read even for an eighth of the size.
        simplejpeg.decode_jpeg(data, colorspace=colorspace, min_height=1, min_width=1, strict=True)
    except (ValueError, KeyError) as error:  # a colour space that it does not know
        message = str(error).strip()
        return message if message.startswith(CORRUPT) else None
    return None


def _png_faults(data: bytes) -> Iterator[str]:
    position = len(PNG_START)
    while position + CHUNK_HEAD.size <= len(data):
        length, kind = CHUNK_HEAD.unpack_from(data, position)
        body = position + CHUNK_HEAD.size
        end = body + length
        if end + CHUNK_CRC.size > len(data):
            break
        if kind in PIXEL_CHUNKS:
            stored = CHUNK_CRC.unpack_from(data, end)[0]
            if zlib.crc32(memoryview(data)[body - 4 : end]) != stored:
                yield f"the checksum of its {kind.decode()} chunk is wrong"
        if kind == b"IEND":
            return
        position = end + CHUNK_CRC.size
    yield "the file ends before its last chunk"
