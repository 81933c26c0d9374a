import cv2
import numpy as np
import pytest
from filter_pictures import ORDINARY, PHOTOGRAPHS, blurred, noisy, recompressed, scaled
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.measured.mosaic import measure_mosaic
from models.common.pixels import decode

LIMIT = 2.4  # the demo's rule


def pixelated(image: np.ndarray, cell: int, cells: int = 8) -> np.ndarray:
    """The picture with a square of cells by cells pixelated where it shows most."""
    side = cell * cells
    spread = cv2.blur((image.astype(np.float32) ** 2).mean(axis=2), (side, side))
    spread -= cv2.blur(image.astype(np.float32).mean(axis=2), (side, side)) ** 2
    half = side // 2
    inner = spread[half : image.shape[0] - half, half : image.shape[1] - half]
    top, left = np.unravel_index(inner.argmax(), inner.shape)
    marked = image.copy()
    block = marked[top : top + side, left : left + side]
    coarse = cv2.resize(block, (cells, cells), interpolation=cv2.INTER_AREA)
    block[:] = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_NEAREST)
    return marked


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("quality", [95, 85, 70])
def test_a_mosaic_is_found_after_compression_with_its_cell(name, quality):
    for cell in (7, 12, 20):
        measured = measure_mosaic(recompressed(pixelated(PHOTOGRAPHS[name], cell), quality))
        assert measured["grid"] > LIMIT
        assert measured["cell"] == cell


@pytest.mark.parametrize("factor", [0.55, 0.8, 1.3])
def test_a_mosaic_is_found_after_scaling(factor):
    found = [
        measure_mosaic(recompressed(scaled(pixelated(PHOTOGRAPHS[name], cell), factor), 85))["grid"] > LIMIT
        for name in ORDINARY
        for cell in (12, 16)
    ]
    assert np.mean(found) >= 0.9


def test_large_cells_are_found_in_large_pictures():
    large = scaled(PHOTOGRAPHS["astronaut.png"], 2.0)
    for cell in (30, 44):
        assert measure_mosaic(recompressed(pixelated(large, cell), 85))["grid"] > LIMIT


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_no_mosaic_however_they_were_compressed(name):
    image = PHOTOGRAPHS[name]
    for picture in (
        image,
        recompressed(image, 30),
        recompressed(image, 60),
        noisy(image, 30),
        blurred(image, 2),
    ):
        assert measure_mosaic(picture)["grid"] < LIMIT


def test_blocks_of_jpeg_differ_from_a_mosaic_of_the_same_cells():
    cat = PHOTOGRAPHS["chelsea.png"]
    cut = cat[: cat.shape[0] // 8 * 8, : cat.shape[1] // 8 * 8]
    mosaic = pixelated(cut[16:, 16:], 8, cells=16)
    assert measure_mosaic(recompressed(cut, 20))["grid"] < LIMIT
    assert measure_mosaic(recompressed(mosaic, 90))["grid"] > LIMIT


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.booleans())
def test_every_size_has_a_number(height, width, plain):
    image = np.zeros((height, width, 3), np.uint8)
    if not plain:
        image = np.random.default_rng(width).integers(0, 256, image.shape, dtype=np.uint8)
    measured = measure_mosaic(image)
    assert np.isfinite(measured["grid"])
    assert (measured["cell"] is None) == (min(height, width) < 20)


def test_hundreds_of_photographs_have_no_grid(shared_data):
    paths = sorted(shared_data("photos/bsds500").rglob("*.jpg"))[::2]
    paths += sorted(shared_data("photos/kodak").iterdir())
    grids = [measure_mosaic(decode(path.read_bytes()))["grid"] for path in paths]
    assert np.mean(np.array(grids) > LIMIT) < 0.015  # a glass front can be as regular
