import cv2
import numpy as np
import pytest
from filter_pictures import ORDINARY, PHOTOGRAPHS, blurred, noisy, ordinary, recompressed
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2hsv
from skimage.filters import sobel_h, sobel_v
from skimage.measure import shannon_entropy

from assets.measured.photometric import COLUMNS, measure_photometric

WALL = np.full((160, 160, 3), (150, 140, 120), np.uint8)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_descriptors_of_the_report_are_those_of_other_libraries(name):
    image = PHOTOGRAPHS[name]
    luma = np.asarray(Image.fromarray(image).convert("L"), np.float64)
    measured = measure_photometric(image)
    assert measured["brightness"] == pytest.approx(luma.mean() / 255, abs=0.003)
    assert measured["saturation"] == pytest.approx(rgb2hsv(image)[..., 1].mean(), abs=0.005)
    entropies = [shannon_entropy(image[..., channel]) for channel in range(3)]
    assert measured["entropy"] == pytest.approx(np.mean(entropies), rel=1e-6)
    gradient = np.hypot(sobel_h(luma), sobel_v(luma)) / 2  # levels a pixel rather than levels over two
    assert measured["texture"] == pytest.approx(gradient.mean(), rel=0.03)


@pytest.mark.parametrize("name", ORDINARY)
def test_every_wider_blur_is_less_sharp(name):
    sharpness = [
        measure_photometric(blurred(PHOTOGRAPHS[name], sigma))["sharpness"] for sigma in (0.5, 1, 2, 3, 5)
    ]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 1.2
    assert sharpness[-1] < 0.5


def test_dim_light_and_low_contrast_are_not_blur():
    for image in ordinary():
        sharp = measure_photometric(image)["sharpness"]
        dim = measure_photometric((image * 0.3).astype(np.uint8))["sharpness"]
        pale = measure_photometric((128 + (image.astype(float) - 128) * 0.4).astype(np.uint8))["sharpness"]
        assert min(dim, pale) > 0.75 * sharp


def test_a_sharp_subject_before_a_soft_background_is_sharp():
    cat = PHOTOGRAPHS["chelsea.png"]
    portrait = blurred(cat, 6)
    portrait[60:220, 120:320] = cat[60:220, 120:320]
    assert measure_photometric(portrait)["sharpness"] > 1


def test_a_moved_camera_counts_as_blur_although_edges_along_its_way_stay_sharp():
    motion = np.zeros((1, 21), np.float32) + 1 / 21
    for image in ordinary():
        moved = measure_photometric(cv2.filter2D(image, -1, motion))["sharpness"]
        assert moved < 0.7 * measure_photometric(image)["sharpness"]


def test_what_has_no_edges_has_no_sharpness():
    assert measure_photometric(WALL)["sharpness"] is None


@pytest.mark.parametrize("name", ORDINARY)
def test_less_light_is_a_lower_exposure_and_more_light_a_higher(name):
    image = PHOTOGRAPHS[name].astype(float)
    lit = [np.clip(image * light, 0, 255).astype(np.uint8) for light in (0.1, 0.3, 1, 2, 6)]
    exposures = [measure_photometric(picture)["exposure"] for picture in lit]
    assert exposures == sorted(exposures)
    assert exposures[0] < -0.72
    assert -0.72 < exposures[2] < 0.42 < exposures[-1]


def test_exposure_runs_from_black_to_white():
    assert measure_photometric(np.zeros_like(WALL))["exposure"] == -1
    assert measure_photometric(np.full_like(WALL, 255))["exposure"] == 1


def test_a_wall_stays_flat_under_noise_and_compression():
    slope = np.linspace(-3, 3, 160)[None, :, None]
    wall = np.clip(WALL + slope, 0, 255).astype(np.uint8)
    for picture in (wall, noisy(wall, 10), recompressed(wall, 40)):
        assert measure_photometric(picture)["tonal_range"] < 12
    assert min(measure_photometric(image)["tonal_range"] for image in ordinary()) > 60


@settings(max_examples=25, deadline=None)
@given(st.floats(4, 30), st.integers(60, 190))
def test_noise_on_a_wall_is_measured_in_levels(deviation, grey):
    grain = np.random.default_rng(0).normal(grey, deviation, (200, 200, 1)).repeat(3, axis=2)
    picture = np.clip(np.rint(grain), 0, 255).astype(np.uint8)
    # the wall's quarter of quietest blocks is a little quieter than all of it
    assert measure_photometric(picture)["noise"] == pytest.approx(0.9 * picture.std(), rel=0.12)


@pytest.mark.parametrize("name", ORDINARY)
def test_texture_is_no_noise_and_noise_is_found_in_texture(name):
    image = PHOTOGRAPHS[name]
    assert measure_photometric(image)["noise"] < 3
    for quality in (95, 75):
        assert measure_photometric(recompressed(noisy(image, 50), quality))["noise"] > 13


def test_ordinary_photographs_have_no_noise(shared_data):
    for folder in ("photos/kodak", "photos/bsds500/val"):
        for path in sorted(shared_data(folder).iterdir())[:40]:
            assert measure_photometric(np.array(Image.open(path).convert("RGB")))["noise"] < 3, path


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["black", "white", "random"]))
def test_every_size_gives_numbers_or_nothing(height, width, content):
    images = {
        "black": np.zeros((height, width, 3), np.uint8),
        "white": np.full((height, width, 3), 255, np.uint8),
        "random": np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8),
    }
    measured = measure_photometric(images[content])
    assert set(measured) == set(COLUMNS)
    assert all(value is None or np.isfinite(value) for value in measured.values())
