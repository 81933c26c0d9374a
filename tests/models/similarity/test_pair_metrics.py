import numpy as np
import pytest
from skimage import data
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from models.common.pixels import decode, encode_jpeg
from models.similarity.pair_metrics import PSNR_CAP, largest_block_change, psnr, ssim

PHOTOGRAPH = data.astronaut()[:300, :400]
CHANGED = {
    "recompressed": decode(encode_jpeg(PHOTOGRAPH, 20)),
    "darker": (PHOTOGRAPH * 0.6).astype(np.uint8),
    "mirrored": np.ascontiguousarray(PHOTOGRAPH[:, ::-1]),
}


@pytest.mark.parametrize("change", CHANGED)
def test_psnr_equals_that_of_scikit_image(change):
    expected = peak_signal_noise_ratio(PHOTOGRAPH, CHANGED[change])
    assert psnr(PHOTOGRAPH, CHANGED[change]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("change", CHANGED)
def test_ssim_equals_that_of_scikit_image(change):
    import cv2

    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (PHOTOGRAPH, CHANGED[change])]
    expected = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(PHOTOGRAPH, CHANGED[change]) == pytest.approx(expected, abs=1e-6)
    assert np.abs(rgb2gray(PHOTOGRAPH) * 255 - grey[0]).max() < 25  # the same picture, other luma weights


def test_equal_pictures_have_the_best_figures():
    assert psnr(PHOTOGRAPH, PHOTOGRAPH) == PSNR_CAP
    assert ssim(PHOTOGRAPH, PHOTOGRAPH) == pytest.approx(1)
    assert largest_block_change(PHOTOGRAPH, PHOTOGRAPH) == 0


def test_a_local_edit_shows_in_its_block_though_not_in_the_mean():
    edited = PHOTOGRAPH.copy()
    edited[:30, :40] = 255 - edited[:30, :40]
    mean = np.abs(PHOTOGRAPH.astype(float) - edited).mean() / 255
    assert mean < 0.02
    assert largest_block_change(PHOTOGRAPH, edited) > 0.2


def test_pictures_smaller_than_the_window_or_the_blocks_are_compared_too():
    small, other = np.zeros((5, 7, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)
    assert ssim(small, other) < 0.01
    assert largest_block_change(small, other) == 1
    assert psnr(small, other) == 0
