import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.rating.pictures import SURROUND, fit_canvas, padded_png
from models.common.pixels import encode_png
from models.common.seeding import numpy_generator

PIXELS = numpy_generator(0, "pixels").integers(0, 256, (24, 32, 3), dtype=np.uint8)
PNG = encode_png(PIXELS)


@given(st.integers(12, 5000), st.text(max_size=20))
def test_a_padded_picture_has_the_length_asked_for_and_the_same_pixels(extra, key):
    padded = padded_png(PNG, len(PNG) + extra, key=key)
    assert len(padded) == len(PNG) + extra
    with Image.open(io.BytesIO(padded)) as image:
        image.load()  # checks the chunk's sum
        np.testing.assert_array_equal(np.asarray(image), PIXELS)
        assert image.info == {}


def test_equal_pictures_get_different_bytes():
    assert padded_png(PNG, len(PNG) + 500, key="a") != padded_png(PNG, len(PNG) + 500, key="b")
    assert padded_png(PNG, len(PNG) + 500, key="a") == padded_png(PNG, len(PNG) + 500, key="a")


@pytest.mark.parametrize(("data", "length"), [(PNG, len(PNG) + 11), (b"GIF89a", 1000)])
def test_what_cannot_be_padded_is_refused(data, length):
    with pytest.raises(ValueError, match="A PNG of at most"):
        padded_png(data, length, key="a")


def test_a_picture_of_the_same_shape_fills_the_canvas():
    flat = np.full((48, 64, 3), 200, np.uint8)
    assert (fit_canvas(flat, 24, 32) == 200).all()
    np.testing.assert_array_equal(fit_canvas(PIXELS, 24, 32), PIXELS)


def test_sizes_rounded_by_an_editor_leave_no_bar():
    assert (fit_canvas(np.full((672, 1024, 3), 200, np.uint8), 683, 1024) == 200).all()


def test_another_shape_is_centred_and_not_stretched():
    canvas = fit_canvas(np.full((100, 100, 3), 200, np.uint8), 24, 32)
    assert canvas.shape == (24, 32, 3)
    assert (canvas[:, 4:28] == 200).all()
    assert (canvas[:, :4] == SURROUND).all()
    assert (canvas[:, 28:] == SURROUND).all()
