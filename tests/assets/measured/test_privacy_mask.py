import cv2
import numpy as np
import pytest
from filter_pictures import ORDINARY, PHOTOGRAPHS, ordinary, recompressed, scaled
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.measured.privacy_mask import measure_privacy_mask
from models.common.pixels import decode


def barred(image: np.ndarray, wide: float, high: float, seed: int = 0) -> np.ndarray:
    """The picture with a black bar over the brightest of twenty places."""
    generator = np.random.default_rng(seed)
    height, width = round(high * image.shape[0]), round(wide * image.shape[1])
    tops = generator.integers(0, image.shape[0] - height, 20)
    lefts = generator.integers(0, image.shape[1] - width, 20)
    places = [(top, left) for top, left in zip(tops, lefts, strict=True)]
    top, left = max(
        places, key=lambda place: image[place[0] :, place[1] :][:height, :width].mean(dtype=np.float64)
    )
    marked = image.copy()
    marked[top : top + height, left : left + width] = 0
    return marked


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png", "china.jpg", "flower.jpg"])
@pytest.mark.parametrize("shape", [(0.3, 0.1), (0.6, 0.14), (0.12, 0.5)])
def test_a_bar_is_measured_by_its_share_of_the_picture(name, shape):
    picture = barred(PHOTOGRAPHS[name], *shape)
    for seen in (picture, recompressed(picture, 85), scaled(picture, 0.7)):
        assert measure_privacy_mask(seen)["share"] == pytest.approx(shape[0] * shape[1], rel=0.15)


def test_most_bars_survive_strong_compression():
    found = [
        measure_privacy_mask(recompressed(barred(image, 0.5, 0.12, seed), 60))["share"] > 0.045
        for image in ordinary()
        for seed in range(4)
    ]
    assert np.mean(found) > 0.85


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_dark_things_and_night_are_no_bars(name):
    image = PHOTOGRAPHS[name]
    for picture in (image, recompressed(image, 50), (image * 0.4).astype(np.uint8), image[::2, ::2]):
        assert measure_privacy_mask(picture)["share"] == 0


@pytest.mark.parametrize("name", ORDINARY)
def test_a_letterbox_is_no_bar(name):
    image = PHOTOGRAPHS[name].copy()
    image[:60], image[-60:] = 0, 0
    assert measure_privacy_mask(image)["share"] == 0
    assert measure_privacy_mask(cv2.transpose(image))["share"] == 0


def test_a_black_disc_is_no_bar():
    image = PHOTOGRAPHS["china.jpg"].copy()
    cv2.circle(image, (250, 170), 90, (0, 0, 0), -1)
    assert measure_privacy_mask(image)["share"] == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0, 255]))
def test_every_size_has_a_share(height, width, level):
    assert measure_privacy_mask(np.full((height, width, 3), level, np.uint8))["share"] == 0


def test_hundreds_of_photographs_have_no_bar(shared_data):
    paths = sorted(shared_data("photos/bsds500").rglob("*.jpg"))
    paths += sorted(shared_data("photos/kodak").iterdir())
    shares = [measure_privacy_mask(decode(path.read_bytes(), 512))["share"] for path in paths]
    assert max(shares) == 0
