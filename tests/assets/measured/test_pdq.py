import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.measured.pdq import dihedral_distances, measure_pdq, unpack_hashes
from models.common.pixels import decode, encode_jpeg
from models.common.seeding import numpy_generator

MATCH = 31  # bits; ThreatExchange's own threshold

TURNS = {
    "upright": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "half turn": lambda image: image[::-1, ::-1],
    "quarter turn": np.rot90,
    "quarter turn back": lambda image: np.rot90(image, 3),
    "transposed": lambda image: image.transpose(1, 0, 2),
    "transposed the other way": lambda image: np.rot90(image, 2).transpose(1, 0, 2),
}


def bits_of(*images: np.ndarray) -> np.ndarray:
    return unpack_hashes([measure_pdq(np.ascontiguousarray(image))["hashes"] for image in images])


def photographs() -> list[np.ndarray]:
    return [skimage.data.astronaut()[40:240, 120:320], skimage.data.chelsea(), skimage.data.coffee()]


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_or_mirrored_image_has_distance_zero(turn):
    for photograph in photographs():
        distances = dihedral_distances(bits_of(photograph), bits_of(TURNS[turn](photograph)))
        assert distances[0, 0] == 0


def test_a_recompressed_resized_copy_is_within_the_threshold_and_another_photograph_is_not():
    originals = photographs()
    copies = [
        cv2.resize(decode(encode_jpeg(image, 40)), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
        for image in originals
    ]
    close = dihedral_distances(bits_of(*copies), bits_of(*originals)) <= MATCH
    assert (close == np.eye(3, dtype=bool)).all()


def test_distances_count_the_bits_that_differ_in_the_best_orientation():
    generator = numpy_generator(0, "test", "pdq")
    left = generator.integers(0, 2, (5, 8, 256), dtype=np.uint8)
    right = generator.integers(0, 2, (7, 8, 256), dtype=np.uint8)
    counted = (left[:, None] != right[None, :, :1]).sum(axis=-1).min(axis=-1)
    assert (dihedral_distances(left, right) == counted).all()


def test_an_image_without_detail_has_no_quality():
    assert measure_pdq(np.full((90, 120, 3), 130, np.uint8))["quality"] == 0
    assert measure_pdq(photographs()[0])["quality"] > 50


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200))
def test_every_size_has_eight_hashes_of_256_bits(height, width):
    image = numpy_generator(height, "test", width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    hashes = measure_pdq(image)["hashes"]
    assert [len(value) for value in hashes] == [64] * 8
