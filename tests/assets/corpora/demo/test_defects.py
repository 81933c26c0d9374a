import io

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data
from skimage.filters import laplace
from skimage.metrics import structural_similarity

from assets.corpora.demo import defects
from assets.corpora.demo.defects import BROKEN, COPIES, DEGRADED, collage
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode, encode_png

CAT = np.ascontiguousarray(data.chelsea()[60:220, 90:250])


def planted(name: str, number: int = 0, pixels: np.ndarray = CAT) -> np.ndarray:
    plant = {**COPIES, **DEGRADED, **BROKEN}[name]
    return decode(plant(pixels, np.random.default_rng(number)))


def opened(data_: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data_)).convert("RGB"))


@pytest.mark.parametrize("name", ["recompressed", "resized", "brightness_shift"])
def test_a_copy_still_looks_like_its_parent(name):
    for number in range(5):
        copy = cv2.resize(planted(name, number), (160, 160), interpolation=cv2.INTER_CUBIC)
        assert structural_similarity(copy, CAT, channel_axis=2) > 0.6
        assert not np.array_equal(copy, CAT)


def test_a_mirrored_copy_is_the_flip_of_its_parent():
    assert structural_similarity(planted("mirrored"), np.fliplr(CAT), channel_axis=2) > 0.95


def test_a_cropped_copy_holds_nine_tenths_of_the_area():
    height, width = planted("cropped").shape[:2]
    assert height * width / (160 * 160) == pytest.approx(0.9, abs=0.01)


def test_a_resized_copy_stays_above_the_smallest_side():
    assert min(min(planted("resized", number).shape[:2]) for number in range(20)) >= 64
    assert planted("resized", 0, CAT[:50, :50]).shape == (50, 50, 3)


def test_a_brightness_shift_is_between_a_fifth_and_a_third():
    for number in range(8):
        ratio = planted("brightness_shift", number).mean() / CAT.mean()
        assert 0.17 < abs(ratio - 1) < 0.33


def test_blur_loses_nearly_all_fine_detail():
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255 for image in (CAT, planted("blur"))]
    assert laplace(grey[1]).var() < 0.05 * laplace(grey[0]).var()


def test_exposure_defects_leave_no_doubt():
    for number in range(5):
        assert planted("underexposed", number).max(axis=2).mean() < 30
        assert (planted("overexposed", number).min(axis=2) >= 250).mean() > 0.3


def test_noise_is_heavy():
    residual = planted("noise").astype(float) - CAT
    assert residual.std() > 35


def test_flat_pictures_have_hardly_any_tones():
    levels = planted("flat").reshape(-1, 3)
    assert levels.std(axis=0).max() < 4


@pytest.mark.parametrize("number", range(12))
def test_every_planted_code_can_be_read(number):
    found = zxingcpp.read_barcodes(
        planted("code", number, np.ascontiguousarray(data.chelsea()[60:240, 90:270]))
    )
    assert len(found) == 1
    assert found[0].text


def test_overlay_text_comes_in_latin_and_chinese_and_touches_a_small_part():
    assert any(words.text.isascii() for words in defects.OVERLAYS)
    assert any(not words.text.isascii() for words in defects.OVERLAYS)
    for number in range(12):
        changed = (np.abs(planted("overlay_text", number).astype(int) - CAT).max(axis=2) > 60).mean()
        assert 0.01 < changed < 0.35


def test_a_mosaic_is_made_of_squares_of_one_colour(monkeypatch):
    monkeypatch.setattr(defects, "_jpeg", encode_png)
    for number in range(10):
        changed = planted("mosaic", number)
        rows, columns = np.nonzero((changed != CAT).any(axis=2))
        block = changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(int)
        assert 0.1 < block.shape[0] * block.shape[1] / (160 * 160) < 0.35
        steps = np.abs(np.diff(block, axis=1)).sum(axis=(0, 2)) > 0
        assert np.diff(np.flatnonzero(steps)).min() >= 6


def test_a_privacy_bar_is_black_and_wide():
    black = planted("privacy_bar").max(axis=2) < 12
    rows = black.sum(axis=1)
    assert 0.5 * 160 <= rows.max() <= 0.8 * 160 + 2
    assert 0.1 * 160 <= (rows >= 0.45 * 160).sum() <= 0.22 * 160


def test_a_rotated_file_is_upright_once_its_tag_is_obeyed():
    for number in range(6):
        data_ = DEGRADED["exif_rotated"](CAT[:, :120], np.random.default_rng(number))
        assert Image.open(io.BytesIO(data_)).getexif()[274] in (3, 6, 8)
        assert structural_similarity(decode(data_), CAT[:, :120], channel_axis=2) > 0.95


def test_a_collage_holds_four_pictures():
    tiles = [np.full((90, 120, 3), level, np.uint8) for level in (40, 90, 140, 190)]
    sheet = opened(collage(tiles, np.random.default_rng(0)))
    half = sheet.shape[0] // 2
    quarters = [sheet[:half, :half], sheet[:half, half:], sheet[half:, :half], sheet[half:, half:]]
    assert [round(float(np.median(quarter)) / 50) for quarter in quarters] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["truncated", "not_an_image"])
def test_broken_files_never_decode(name):
    for number in range(25):
        with pytest.raises(UnreadableImageError):
            planted(name, number)
        with pytest.raises((OSError, SyntaxError)):  # Pillow itself agrees
            opened(BROKEN[name](CAT, np.random.default_rng(number)))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted({**COPIES, **DEGRADED, **BROKEN})),
    st.integers(24, 200),
    st.integers(24, 200),
    st.integers(0, 50),
)
def test_every_defect_can_be_planted_in_every_size_and_equal_seeds_give_equal_bytes(
    name, height, width, seed
):
    pixels = cv2.resize(CAT, (width, height))
    plant = {**COPIES, **DEGRADED, **BROKEN}[name]
    before = pixels.copy()
    first = plant(pixels, np.random.default_rng(seed))
    assert first == plant(pixels, np.random.default_rng(seed))
    assert np.array_equal(pixels, before)
