"""One way to read an image: mode, profile, alpha, depth, orientation and pages do not change what is seen."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from diffusers import DiffusionPipeline
from PIL import Image, ImageCms
from toy_pipeline import picture, save_toy_pipeline

from models.common.canonical import to_canonical
from models.common.pixels import decode
from models.common.seeding import torch_generator
from models.registry.registry_model import open_image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def wide_gamut() -> bytes:
    """A profile in which equal numbers mean other colours than in sRGB: Lab values taken for granted."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def rotated_primaries() -> bytes:
    """An RGB profile whose red and blue primaries are exchanged, so that ignoring it cannot go unnoticed."""
    data = bytearray(wide_gamut())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data)


@pytest.mark.parametrize("mode", ["RGBA", "P", "PA"])
def test_a_colour_profile_counts_in_every_mode(rotated_primaries, mode):
    flat = Image.new("RGB", (8, 8), (200, 60, 30))
    expected = decode(encoded(flat, icc_profile=rotated_primaries))
    assert tuple(expected[0, 0]) != (200, 60, 30)
    kind = "TIFF" if mode == "PA" else "PNG"
    image = flat.convert("P", palette=Image.Palette.ADAPTIVE) if mode != "RGBA" else flat.convert("RGBA")
    seen = decode(encoded(image, kind, icc_profile=rotated_primaries))
    np.testing.assert_array_equal(seen, expected)


def grey_profile() -> bytes:
    """A profile of one channel whose curve is that of linear light."""
    tags = (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)), (b"kTRC", b"curv" + bytes(8))
    start, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags:
        table += name + struct.pack(">2I", start + len(body), len(data))
        body += data
    header = bytearray(128)
    header[0:4] = struct.pack(">I", start + len(body))
    header[8:12], header[12:24] = b"\x02\x40\0\0", b"mntrGRAYXYZ "
    header[36:40], header[68:80] = b"acsp", struct.pack(">3i", 63190, 65536, 54061)
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("mode", ["LA", "RGB", "P", "RGBA"])
def test_a_grey_profile_counts_in_every_mode(mode):
    flat = Image.new("L", (8, 8), 100)
    expected = decode(encoded(flat, icc_profile=grey_profile()))
    assert expected[0, 0, 0] > 130
    seen = decode(encoded(flat.convert(mode), icc_profile=grey_profile()))
    assert np.abs(seen.astype(int) - expected).max() <= 1


def test_an_rgb_profile_counts_for_a_grey_image():
    tinted = bytearray(wide_gamut())  # blue is another red, so that greys have a tint
    red, blue = tinted.index(b"rXYZ"), tinted.index(b"bXYZ")
    tinted[blue + 4 : blue + 12] = tinted[red + 4 : red + 12]
    grey = Image.linear_gradient("L")
    seen, expected = (decode(encoded(one, icc_profile=bytes(tinted))) for one in (grey, grey.convert("RGB")))
    assert np.abs(expected.astype(int) - np.asarray(grey.convert("RGB"))).max() > 3
    np.testing.assert_array_equal(seen, expected)


def png(depth: int, colour: int, row: bytes, key: bytes) -> bytes:
    """A PNG file of two pixels in a row with a transparent colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">2I5B", 2, 1, depth, colour, 0, 0, 0)
    parts = (b"IHDR", header), (b"tRNS", key), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "other"),
    [
        (1, 0, bytes([0b01000000]), struct.pack(">H", 0), 255),
        (2, 0, bytes([0b01100000]), struct.pack(">H", 1), 170),
        (4, 0, bytes([0x3A]), struct.pack(">H", 3), 170),
        (8, 0, bytes([50, 100]), struct.pack(">H", 50), 100),
        (16, 0, struct.pack(">2H", 20000, 40092), struct.pack(">H", 20000), 156),
        (8, 2, bytes([5, 6, 7, 99, 99, 99]), struct.pack(">3H", 5, 6, 7), 99),
        (16, 2, struct.pack(">6H", 500, 600, 700, *[25443] * 3), struct.pack(">3H", 500, 600, 700), 99),
    ],
)
def test_a_transparent_colour_is_seen_at_every_depth(depth, colour, row, key, other):
    pixels = decode(png(depth, colour, row, key))
    assert pixels.tolist() == [[[255] * 3, [other] * 3]]


def test_colours_under_full_transparency_are_not_seen():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (decode(encoded(image)) == 255).all()
    assert (np.asarray(to_canonical(image)) == 255).all()


def test_the_served_model_reads_what_training_reads(rotated_primaries):
    ramp = np.linspace(0, 65535, 4096).reshape(64, 64).astype(np.uint16)
    exif = Image.Exif()
    exif[274] = 6
    files = [
        encoded(Image.fromarray(ramp)),
        encoded(picture(1).convert("RGBA"), icc_profile=rotated_primaries),
        encoded(Image.new("LA", (8, 8), (90, 128))),
        encoded(picture(2, 20, 40), "JPEG", exif=exif),
        encoded(picture(3).convert("CMYK"), "JPEG"),
        encoded(picture(4), "GIF"),
    ]
    for data in files:
        np.testing.assert_array_equal(np.asarray(open_image(data)), decode(data))


def test_sixteen_bit_grey_keeps_its_range():
    ramp = np.linspace(0, 65535, 4096).reshape(64, 64).astype(np.uint16)
    assert abs(float(decode(encoded(Image.fromarray(ramp))).mean()) - 127.5) < 1


def test_a_loaded_pipeline_sees_an_image_as_training_does(tmp_path):
    pipeline = DiffusionPipeline.from_pretrained(save_toy_pipeline(tmp_path / "a"), trust_remote_code=True)
    hidden = picture(1).convert("RGBA")
    hidden.putalpha(Image.linear_gradient("L").resize(hidden.size))
    seen = to_canonical(hidden)
    assert np.abs(np.asarray(seen, float) - np.asarray(hidden.convert("RGB"), float)).max() > 10
    edits = [
        np.asarray(pipeline(one, "make it darker", generator=torch_generator(0, "n")).images[0])
        for one in (hidden, seen)
    ]
    np.testing.assert_array_equal(*edits)


def test_the_first_full_size_page_of_a_tiff_is_read():
    small, large = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (32, 16), "blue")
    thumbnail = io.BytesIO()
    small.encoderinfo = {"tiffinfo": {254: 1}}
    small.save(thumbnail, format="TIFF", tiffinfo={254: 1}, save_all=True, append_images=[large])
    data = thumbnail.getvalue()
    with Image.open(io.BytesIO(data)) as image:
        flags = []
        for number in range(image.n_frames):
            image.seek(number)
            flags.append(int(image.tag_v2.get(254, 0)) & 1)
    if flags != [1, 0]:
        pytest.skip("this Pillow writes no such file")
    assert decode(data).shape == (16, 32, 3)


RAMP = np.linspace(0.0, 1.0, 4096).reshape(64, 64)


def tiff(values: np.ndarray, white: str = "minisblack", **tags: int) -> bytes:
    """A TIFF file by another library; `tags` are MinSampleValue, MaxSampleValue and the like, by number."""
    extra = [(int(tag[1:]), "H", 1, value, True) for tag, value in tags.items()]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric=white, extratags=extra)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "int32", "float32"])
def test_a_deep_ramp_is_a_ramp(dtype):
    top = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    decoded = decode(tiff((RAMP * top).astype(dtype)))[:, :, 0]
    assert np.abs(decoded.astype(int) - RAMP * 255).max() < 1.5


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_white_may_be_zero(dtype):
    top = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    decoded = decode(tiff((RAMP * top).astype(dtype), "miniswhite"))[:, :, 0]
    assert np.abs(decoded.astype(int) - (1 - RAMP) * 255).max() < 1.5


@pytest.mark.parametrize(("low", "high"), [(0, 4095), (1000, 3000)])
def test_a_declared_range_counts_and_a_value_out_of_it_costs_itself(low, high):
    values = (low + RAMP * (high - low)).astype(np.uint16)
    values[0, 0], values[0, 1] = 65535, 0
    decoded = decode(tiff(values, t280=low, t281=high))[:, :, 0]
    assert (decoded[0, 0], decoded[0, 1]) == (255, 0)
    assert np.abs(decoded[1:].astype(int) - RAMP[1:] * 255).max() < 1.5


@pytest.mark.parametrize("stray", [1e9, np.nan, np.inf, -np.inf])
def test_a_stray_float_costs_itself(stray):
    values = RAMP.astype(np.float32)
    values[0, 0] = stray
    decoded = decode(tiff(values))[:, :, 0]
    assert np.abs(decoded[1:].astype(int) - RAMP[1:] * 255).max() < 1.5


def test_a_range_that_makes_no_sense_is_none():
    values = (RAMP * 65535).astype(np.uint16)
    assert np.array_equal(decode(tiff(values, t280=9, t281=3)), decode(tiff(values)))


def test_a_dark_deep_picture_stays_dark():
    decoded = decode(tiff((RAMP * 255).astype(np.uint16)))
    assert decoded.max() <= 1
