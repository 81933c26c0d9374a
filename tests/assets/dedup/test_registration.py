import cv2
import numpy as np
import pytest
from skimage import data

from assets.dedup.registration import registration_score
from models.common.pixels import decode, encode_jpeg
from models.common.thumbnail import luminance, resize_to_square

PHOTOGRAPHS = {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
CROP = PHOTOGRAPHS["coffee"][50:350, 100:500]


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    return luminance(resize_to_square(pixels)[None])[0]


def cut(pixels: np.ndarray, share: float, *, top: float, left: float) -> np.ndarray:
    height, width = (round(side * share**0.5) for side in pixels.shape[:2])
    y, x = int((pixels.shape[0] - height) * top), int((pixels.shape[1] - width) * left)
    return pixels[y : y + height, x : x + width]


COPIES = {
    "recompressed": lambda pixels: decode(encode_jpeg(pixels, 30)),
    "resized": lambda pixels: cv2.resize(pixels, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA),
    "darker": lambda pixels: (pixels * 0.7).astype(np.uint8),
    "brighter": lambda pixels: np.clip(pixels * 1.3, 0, 255).astype(np.uint8),
    "mirrored": lambda pixels: pixels[:, ::-1],
    "turned": lambda pixels: np.rot90(pixels),
    "cropped to 90 %": lambda pixels: cut(pixels, 0.9, top=0.2, left=1.0),
    "cropped to 80 %, mirrored": lambda pixels: cut(pixels, 0.8, top=1.0, left=0.0)[:, ::-1],
}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_copy_aligns_whichever_comes_first(name, copy):
    original = thumbnail(PHOTOGRAPHS[name])
    copied = thumbnail(np.ascontiguousarray(COPIES[copy](PHOTOGRAPHS[name])))
    assert registration_score(original, copied) > 0.9
    assert registration_score(copied, original) > 0.9


def test_different_photographs_do_not_align():
    thumbnails = [thumbnail(pixels) for pixels in PHOTOGRAPHS.values()]
    pairs = [(a, b) for a in range(4) for b in range(a)]
    assert max(registration_score(thumbnails[a], thumbnails[b]) for a, b in pairs) < 0.5


def test_overlapping_crops_of_one_photograph_do_not_align():
    neighbour = PHOTOGRAPHS["coffee"][50:350, 200:600]  # shares 60 % of the area, but covers neither
    assert registration_score(thumbnail(CROP), thumbnail(neighbour)) < 0.7


def test_pictures_without_structure_align_with_nothing():
    flat = np.full((64, 64), 128, np.float32)
    assert registration_score(flat, flat) < 0.3
    assert registration_score(flat, thumbnail(CROP)) < 0.3
