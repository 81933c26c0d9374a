import cv2
import numpy as np
import pytest
from filter_pictures import PHOTOGRAPHS, ordinary, recompressed, scaled
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.measured.collage import measure_collage
from models.common.pixels import cover_crop, decode

LIMIT = 0.56  # the demo's rule


def tiles(side: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(ordinary()))[:4]
    return [cover_crop(ordinary()[number], side, side) for number in chosen]


def grid(side: int, gap: int, seed: int, colour: int = 255) -> np.ndarray:
    sheet = np.full((2 * side + gap, 2 * side + gap, 3), colour, np.uint8)
    for number, tile in enumerate(tiles(side, seed)):
        top, left = (number // 2) * (side + gap), (number % 2) * (side + gap)
        sheet[top : top + side, left : left + side] = tile
    return sheet


@settings(max_examples=25, deadline=None)
@given(
    st.integers(60, 300), st.sampled_from([0, 4, 9]), st.integers(0, 10_000), st.sampled_from([95, 85, 70])
)
def test_four_photographs_in_a_grid_are_a_collage(side, gap, seed, quality):
    assert measure_collage(recompressed(grid(side, gap, seed), quality))["score"] > LIMIT


@pytest.mark.parametrize("factor", [0.45, 0.61, 0.77, 0.93, 1.4])
def test_scaling_does_not_hide_the_seams(factor):
    found = [
        measure_collage(recompressed(scaled(grid(250, gap, seed), factor), 85))["score"] > LIMIT
        for gap in (0, 10)
        for seed in range(8)
    ]
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_two_photographs_with_a_strip_between_them_are_a_collage(colour):
    for seed in range(6):
        left, right, *_ = tiles(240, seed)
        pair = np.hstack([left, np.full((240, 8, 3), colour, np.uint8), right])
        for picture in (recompressed(pair, 80), recompressed(cv2.transpose(pair), 80)):
            measured = measure_collage(picture)
            assert measured["gutter"] > 0.6
            assert measured["score"] > LIMIT


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_one_photograph_is_no_collage(name):
    image = PHOTOGRAPHS[name]
    for picture in (image, recompressed(image, 40), scaled(image, 0.4), image[50:200, 60:210]):
        assert measure_collage(picture)["score"] < LIMIT


@pytest.mark.parametrize("colour", [0, 255])
def test_frames_and_letterboxes_are_no_collage(colour):
    image = PHOTOGRAPHS["china.jpg"].copy()
    framed = cv2.copyMakeBorder(image, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(colour,) * 3)
    image[:40], image[-40:] = colour, colour
    for picture in (framed, image):
        assert measure_collage(picture)["score"] < LIMIT


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0, 5]))
def test_a_mirrored_or_turned_picture_has_the_same_score(seed, gap):
    sheet = grid(90, gap, seed)[:170]
    score = measure_collage(sheet)["score"]
    for turned in (sheet[:, ::-1], sheet[::-1], np.rot90(sheet), cv2.transpose(sheet)):
        assert measure_collage(np.ascontiguousarray(turned))["score"] == pytest.approx(score, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_every_size_has_a_score_between_nothing_and_all(height, width):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert all(-0.5 <= value <= 1 for value in measure_collage(image).values())


def test_a_picture_of_stripes_takes_no_time_to_speak_of():
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::3] = 255
    measure_collage(stripes)  # every column is a seam: it ends all the same


def test_a_collage_from_the_web_is_found_among_photographs_of_groups(shared_data):
    scores = {
        path.name: measure_collage(decode(path.read_bytes(), 1024))["score"]
        for path in sorted(shared_data("faces/dlib").glob("*.jpg"))
    }
    assert [name for name, score in scores.items() if score > LIMIT] == ["dogs.jpg"]


def test_hundreds_of_photographs_have_no_seam(shared_data):
    paths = sorted(shared_data("photos/bsds500").rglob("*.jpg"))[::2]
    paths += sorted(shared_data("photos/kodak").iterdir())
    assert max(measure_collage(decode(path.read_bytes()))["score"] for path in paths) < 0.5
