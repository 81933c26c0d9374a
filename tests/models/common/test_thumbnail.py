import numpy as np
import pytest
from skimage.color import rgb2gray

from models.common.thumbnail import SIDE, ThumbnailSizeError, luminance, resize_to_square, squares_from_bytes


def test_a_square_keeps_the_whole_picture_whatever_its_shape():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, :150] = 255
    square = resize_to_square(picture)
    assert square.shape == (SIDE, SIDE, 3)
    assert (square[:, :31] == 255).all()
    assert (square[:, 33:] == 0).all()


def test_pictures_smaller_than_the_square_are_enlarged():
    assert (
        resize_to_square(np.full((3, 200, 3), 7, np.uint8)).tolist() == np.full((SIDE, SIDE, 3), 7).tolist()
    )


def test_stored_bytes_come_back_as_the_same_squares():
    squares = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    assert (squares_from_bytes([square.tobytes() for square in squares]) == squares).all()


def test_bytes_of_the_wrong_length_are_refused():
    with pytest.raises(ThumbnailSizeError) as caught:
        squares_from_bytes([b"hello world"])
    assert caught.value.size == 11


def test_grey_is_luminance_within_the_two_standards_difference():
    squares = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    neutral = np.repeat(squares[..., :1], 3, axis=3)
    assert np.allclose(luminance(neutral), neutral[..., 0], atol=1e-3)
    assert np.abs(luminance(squares) / 255 - rgb2gray(squares)).max() < 0.2  # BT.601 here, BT.709 there
