"""How far an output has moved: known motions of real photographs, found again to a fraction of a pixel."""

import cv2
import numpy as np
import pytest
from skimage import data

from benchmarks.metrics.registration import SourceMatcher, laid_back, register
from models.common.pixels import decode, encode_jpeg
from models.similarity.pair_metrics import psnr

PHOTOGRAPHS = {"coffee": data.coffee(), "cat": data.chelsea(), "rocket": data.rocket()}
MOTIONS = [(0.0, 0.0, 0.0, 0.0), (0.5, -0.25, 0.0, 0.0), (3.3, 1.7, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0),
           (-2.2, 4.4, -2.5, 0.0), (1.0, 1.0, 0.5, 1.5), (12.0, -7.0, 4.0, 0.0)]  # fmt: skip


def moved(picture: np.ndarray, dx: float, dy: float, zoom: float, turn: float) -> np.ndarray:
    """Returns a picture moved, zoomed in percent and turned in degrees about its centre, recompressed."""
    height, width = picture.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    angle = np.radians(turn)
    linear = (1 + zoom / 100) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([linear, centre - linear @ centre + [dx, dy]])
    flags, border = cv2.INTER_LANCZOS4, cv2.BORDER_REFLECT
    made = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=border)
    return decode(encode_jpeg(made, 90))


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_known_motions_are_found_to_a_fraction_of_a_pixel(name, motion):
    dx, dy, zoom, turn = motion
    found = register(PHOTOGRAPHS[name], moved(PHOTOGRAPHS[name], *motion))
    assert found is not None
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=0.06)
    assert found.zoom == pytest.approx(zoom, abs=0.03)
    assert found.turn == pytest.approx(turn, abs=0.02)
    assert found.shift == pytest.approx(np.hypot(dx, dy), abs=0.06)


@pytest.mark.parametrize("factor", [0.5, 1.37, 2.0])
def test_an_output_of_another_size_is_told_in_pixels_of_the_source(factor):
    picture = PHOTOGRAPHS["coffee"]
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    found = register(picture, cv2.resize(moved(picture, 3, 2, 1, 0), size, interpolation=cv2.INTER_AREA))
    assert found is not None
    assert (found.dx, found.dy, found.zoom) == pytest.approx((3, 2, 1), abs=0.1)


def test_an_edit_of_a_third_of_the_picture_does_not_mislead():
    picture = PHOTOGRAPHS["coffee"]
    edited = moved(picture, 1.5, -1, 0.5, 0).copy()
    other = cv2.resize(PHOTOGRAPHS["cat"], (picture.shape[1] // 3, picture.shape[0]))
    edited[:, : other.shape[1]] = other
    found = register(picture, edited)
    assert found is not None
    assert (found.dx, found.dy) == pytest.approx((1.5, -1), abs=0.1)


def test_what_moves_inside_the_mask_has_no_say():
    picture = PHOTOGRAPHS["coffee"]
    mask = np.zeros(picture.shape[:2], bool)
    mask[:, 150:] = True  # three quarters of the picture are the edit
    edited = picture.copy()
    edited[:, 160:] = picture[:, 150:-10]
    found = SourceMatcher(picture, mask).register(edited)
    assert found is None or found.shift < 0.1


@pytest.mark.parametrize("other", ["another photograph", "noise", "one colour"])
def test_a_new_picture_has_no_motion(other):
    picture = PHOTOGRAPHS["coffee"]
    made = {
        "another photograph": cv2.resize(PHOTOGRAPHS["rocket"], picture.shape[1::-1]),
        "noise": np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8),
        "one colour": np.full_like(picture, 90),
    }[other]
    assert register(picture, made) is None
    assert register(made, picture) is None


def test_a_picture_of_one_pixel_is_no_error():
    dot = np.zeros((1, 1, 3), np.uint8)
    assert register(dot, PHOTOGRAPHS["cat"]) is None
    assert register(PHOTOGRAPHS["cat"], dot) is None


def test_a_flat_design_is_aligned_by_its_pixels(shared_data):
    path = shared_data("pairs/textedit/Business_Advertising_038_source.jpg")
    design = decode(path.read_bytes())
    found = register(design, moved(design, -8, 5, -2, 0))
    assert found is not None
    assert (found.dx, found.dy, found.zoom) == pytest.approx((-8, 5, -2), abs=0.1)


def test_an_output_is_laid_back_onto_its_source():
    picture = PHOTOGRAPHS["cat"]
    made = moved(picture, 5, -3, 2, 0)
    found = register(picture, made)
    assert found is not None
    back, shown = laid_back(made, found, picture.shape[:2])
    assert back.shape == picture.shape
    assert 0.9 < shown.mean() < 1
    inside = np.where(shown[..., None], back, picture).astype(np.uint8)
    assert psnr(picture, inside) > psnr(picture, made) + 8


REAL = {
    # output: largest shift in pixels, largest zoom in percent; None where the picture is another one
    "step1x/0000.jpg step1x/0000_en.jpg": (0.1, 0.02),
    "step1x/0004.jpg step1x/0004_cn.jpg": (0.1, 0.02),
    "blind_eval_demo/edit_example.png blind_eval_demo/edit_qwen2511.png": (0.1, 0.03),
    "blind_eval_demo/edit_example.png blind_eval_demo/edit_seedream4.png": (1.0, 0.2),
    "step1x/0003.png step1x/0003_en.png": None,
    "firered_portrait/6_input.png firered_portrait/6_en.png": None,
}


@pytest.mark.parametrize(("names", "limits"), REAL.items())
def test_real_outputs_are_still_or_moved_or_new(shared_data, names, limits):
    source, output = (decode(shared_data(f"pairs/{name}").read_bytes()) for name in names.split())
    found = register(source, output)
    if limits is None:
        assert found is None
    else:
        assert found is not None
        assert found.shift < limits[0]
        assert abs(found.zoom) < limits[1]
        assert found.share > 0.9


def test_a_real_shift_is_the_one_that_all_pixels_show(shared_data):
    """An oracle of another kind: correlation of all pixels, against matching of features."""
    names = ("edit_example.png", "edit_seedream4.png")
    first, second = (decode(shared_data(f"pairs/blind_eval_demo/{name}").read_bytes()) for name in names)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-7)
    start, everywhere = np.eye(2, 3, dtype=np.float32), np.full(grey[0].shape, 255, np.uint8)
    _, matrix = cv2.findTransformECC(*grey, start, cv2.MOTION_AFFINE, criteria, everywhere, 5)
    centre = np.array([(grey[0].shape[1] - 1) / 2, (grey[0].shape[0] - 1) / 2])
    by_pixels = matrix[:, :2] @ centre + matrix[:, 2] - centre
    found = register(first, second)
    assert found is not None
    assert found.dy == pytest.approx(by_pixels[1], abs=0.2)
    assert found.dy > 0.4
