import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.common.fitting import cover, edit_size, fit
from models.common.pixels import cover_crop

SIDES = st.integers(1, 5000)


@given(SIDES, SIDES)
def test_an_image_is_edited_in_its_own_shape_at_the_area_of_training(height, width):
    edited = edit_size(height, width, sample_size=512, multiple=16)
    assert all(side % 16 == 0 and side >= 16 for side in edited)
    if max(height, width) <= 8 * min(height, width):
        assert 0.85 < edited[0] * edited[1] / 512**2 < 1.15
        assert abs(np.log(edited[0] / edited[1]) - np.log(height / width)) < 0.08


@pytest.mark.parametrize("side", [64, 128, 1024])
def test_a_square_is_edited_at_the_training_size(side):
    assert edit_size(777, 777, sample_size=side, multiple=16) == (side, side)


@given(SIDES, SIDES, st.integers(1, 1000), st.integers(1, 1000))
def test_a_scaled_image_covers_the_size(height, width, to_height, to_width):
    scaled_height, scaled_width, top, left = cover(height, width, to_height, to_width)
    assert 0 <= top <= scaled_height - to_height
    assert 0 <= left <= scaled_width - to_width
    assert scaled_height == to_height or scaled_width == to_width


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64, 64), (64, 64)),
        ((480, 321), (64, 96)),
        ((97, 150), (64, 64)),
        ((128, 128), (64, 64)),
        ((40, 30), (64, 64)),
        ((50, 33), (96, 48)),
        ((1, 1), (16, 16)),
        ((3, 200), (16, 32)),
    ],
)
def test_pixels_are_those_of_opencv(shape, size):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
    ours, theirs = fit(pixels, *size), cover_crop(pixels, *size)
    assert ours.shape == (*size, 3)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
