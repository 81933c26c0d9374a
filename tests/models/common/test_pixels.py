import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.common import canonical, pixels
from models.common.seeding import derived_seed, numpy_generator, torch_generator


def encoded(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def quadrants() -> Image.Image:
    """Red, green, blue and white quarters, so that every orientation differs."""
    image = Image.new("RGB", (40, 20))
    for colour, corner in (("red", (0, 0)), ("green", (20, 0)), ("blue", (0, 10)), ("white", (20, 10))):
        image.paste(Image.new("RGB", (20, 10), colour), corner)
    return image


UNDO = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""Orientation tag -> the PIL transpose that a camera applied (inverse of what a viewer must apply)."""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright_whatever_the_camera_recorded(orientation):
    upright = quadrants()
    stored = upright
    if orientation > 1:
        stored = upright.transpose(Image.Transpose(UNDO[orientation]))
    exif = Image.Exif()
    exif[canonical.ORIENTATION_TAG] = orientation
    data = encoded(stored, format="PNG", exif=exif)
    assert canonical.read_header(data).orientation == orientation
    assert np.array_equal(pixels.decode(data), np.asarray(upright))


def test_real_photographs_in_eight_orientations_show_the_same(shared_data):
    folder = shared_data("exif/orientation_recurser")
    shown = {}
    for path in sorted(folder.glob("Landscape_*.jpg")):
        shown[path.name] = pixels.decode(path.read_bytes(), 64)
    shapes = {image.shape for image in shown.values()}
    assert len(shapes) == 1


def test_transparent_pixels_lie_on_white():
    data = encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))
    assert np.array_equal(pixels.decode(data), np.full((2, 2, 3), 255, np.uint8))


def test_sixteen_bits_become_eight():
    data = encoded(Image.fromarray(np.array([[0, 65535]], np.uint16)))
    assert pixels.decode(data)[0, :, 0].tolist() == [0, 255]


def test_the_longer_side_is_shrunk_and_never_enlarged():
    data = encoded(quadrants())
    assert pixels.decode(data, 10).shape == (5, 10, 3)
    assert pixels.decode(data, 1000).shape == (20, 40, 3)


@pytest.mark.parametrize("side", [9_000, 100_000])
def test_a_bomb_is_refused_by_its_header(side):
    data = encoded(Image.new("L", (1, 1)))
    header = data[12:16] + side.to_bytes(4, "big") * 2 + data[24:29]
    bomb = data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]
    with pytest.raises(canonical.UnreadableImageError, match=r"over the limit|exceeds limit"):
        pixels.decode(bomb)


@pytest.mark.parametrize("kept", [0, 1, 30, 300])
def test_truncated_files_are_unreadable_and_say_so(kept):
    noise = numpy_generator(0, "noise").integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format="JPEG")[:kept]
    with pytest.raises(canonical.UnreadableImageError):
        pixels.decode(data)


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_else(data):
    with pytest.raises(canonical.UnreadableImageError):
        pixels.decode(data)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([(16, 16), (16, 32), (33, 8)]))
def test_a_cover_crop_fills_its_box(height, width, box):
    image = np.full((height, width, 3), 200, np.uint8)
    cropped = pixels.cover_crop(image, *box)
    assert cropped.shape == (*box, 3)
    assert cropped.min() == cropped.max() == 200


def test_a_cover_crop_keeps_the_centre():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255
    assert pixels.cover_crop(image, 10, 10).min() == 255


def test_a_png_round_trip_is_exact():
    image = numpy_generator(3, "png").integers(0, 255, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(pixels.decode(pixels.encode_png(image)), image)


def test_draws_depend_on_their_keys_alone():
    first = numpy_generator(1, "crop", "a", 2).random(3)
    numpy_generator(1, "crop", "a", 1).random(100)
    assert np.array_equal(first, numpy_generator(1, "crop", "a", 2).random(3))
    assert derived_seed(1, "crop", "a", 2) != derived_seed(1, "crop", "a2")
    assert torch_generator(1, "x").initial_seed() == derived_seed(1, "x")


def at(values: np.ndarray, offset: int) -> np.ndarray:
    """The same values, so many bytes from a border of 64 bytes in memory."""
    room = np.empty(values.nbytes + 128, np.uint8)
    start = -room.ctypes.data % 64 + offset
    moved = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    moved[...] = values
    return moved


def test_what_is_measured_does_not_depend_on_where_in_memory_a_picture_lies():
    generator = numpy_generator(0, "alignment")
    for _ in range(20):
        across, down = (generator.normal(0, 30, size=(91, 64)).astype(np.float32) for _ in range(2))
        room = np.zeros_like(across)
        found = {cv2.magnitude(across, down, at(room, offset)).tobytes() for offset in range(0, 64, 4)}
        assert len(found) == 1
