import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage import data
from skimage.color import rgb2gray
from skimage.exposure import adjust_gamma
from skimage.filters import gaussian
from skimage.measure import block_reduce

from assets.synthesized.templates import add, text
from assets.synthesized.templates.catalogue import TEMPLATES

CAT = np.ascontiguousarray(data.chelsea()[50:210, 100:228])  # 160 high, 128 wide
SECOND = np.ascontiguousarray(data.coffee()[100:220, 200:350])
CATEGORIES = {"semantic", "stylistic", "structural"}


def parameters(name: str, seed: int = 0):
    return TEMPLATES[name].draw(np.random.default_rng(seed))


def edited(name: str, pixels: np.ndarray = CAT, seed: int = 0) -> np.ndarray:
    return TEMPLATES[name].apply([pixels, SECOND][: TEMPLATES[name].references], parameters(name, seed))


def every_choice(name: str) -> list[dict[str, str]]:
    drawn = [parameters(name, seed) for seed in range(200)]
    return [dict(items) for items in sorted({tuple(sorted(choice.items())) for choice in drawn})]


def test_there_are_edits_of_six_redit_categories_and_all_three_of_the_report():
    assert {t.kind.subcategory for t in TEMPLATES.values()} == {
        "lowlevel",
        "color",
        "adjust",
        "text",
        "add",
        "compose",
    }
    assert {t.kind.category for t in TEMPLATES.values()} == CATEGORIES
    assert len(TEMPLATES) >= 10


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_edit_is_visible_and_leaves_its_source_alone(name):
    before = CAT.copy()
    target = edited(name)
    assert np.array_equal(CAT, before)
    assert not np.shares_memory(target, CAT)
    assert np.abs(target.astype(int) - CAT).mean() > 2


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(TEMPLATES)), st.integers(32, 200), st.integers(32, 200), st.integers(0, 30))
def test_a_target_has_the_size_of_its_source_and_equal_draws_give_equal_pixels(name, height, width, seed):
    pixels = cv2.resize(CAT, (width, height))
    target = edited(name, pixels, seed)
    assert target.shape == pixels.shape
    assert target.dtype == np.uint8
    assert np.array_equal(target, edited(name, pixels, seed))


def test_grayscale_is_pillows_luma():
    expected = np.asarray(Image.fromarray(CAT).convert("L").convert("RGB")).astype(int)
    assert np.abs(edited("grayscale") - expected).max() <= 1


def test_invert_mirror_and_rotation_are_pillows():
    image = Image.fromarray(CAT)
    assert np.array_equal(edited("invert"), np.asarray(ImageOps.invert(image)))
    assert np.array_equal(edited("mirror"), np.asarray(ImageOps.mirror(image)))
    assert np.array_equal(edited("rotate_180"), np.asarray(image.rotate(180)))


def test_blur_is_the_gaussian_of_scikit_image():
    expected = gaussian(CAT, sigma=0.035 * 128, channel_axis=2, mode="mirror", preserve_range=True)
    assert np.abs(edited("blur") - expected).mean() < 0.6


def test_brightness_curves_are_gamma_curves():
    for name, gamma in (("brighter", 1 / 2.6), ("darker", 2.6)):
        assert np.abs(edited(name).astype(int) - adjust_gamma(CAT, gamma)).max() <= 1


def test_pixelated_squares_hold_their_mean_colour():
    square = np.ascontiguousarray(CAT[:64, :64])
    expected = np.kron(block_reduce(square, (8, 8, 1), np.mean), np.ones((8, 8, 1)))
    assert np.abs(edited("pixelate", square) - expected).max() <= 1


def test_sepia_is_the_filter_of_the_w3c():
    # Filter Effects Module Level 1, feColorMatrix of sepia(1)
    red, green, blue = (CAT[:, :, channel].astype(float) for channel in range(3))
    expected = [
        0.393 * red + 0.769 * green + 0.189 * blue,
        0.349 * red + 0.686 * green + 0.168 * blue,
        0.272 * red + 0.534 * green + 0.131 * blue,
    ]
    assert np.abs(edited("sepia") - np.clip(np.stack(expected, axis=2), 0, 255)).max() <= 0.5 + 1e-9


def test_warmer_moves_red_against_blue_and_cooler_the_other_way():
    balance = [
        image[:, :, 0].mean() - image[:, :, 2].mean() for image in (edited("cooler"), CAT, edited("warmer"))
    ]
    assert balance == sorted(balance)
    assert balance[2] - balance[0] > 30


def test_saturation_moves_colours_away_from_grey_and_keeps_greys():
    spread = [np.abs(image / 255 - rgb2gray(image)[:, :, None]).mean() for image in (CAT, edited("saturate"))]
    assert spread[1] > 1.5 * spread[0]
    grey = np.full((40, 40, 3), 90, np.uint8)
    assert np.array_equal(edited("saturate", grey), grey)


def test_contrast_shrinks_around_mid_grey():
    assert edited("low_contrast").std() == pytest.approx(0.4 * CAT.std(), rel=0.02)
    assert abs(edited("low_contrast").mean() - 127.5) < abs(CAT.mean() - 127.5)


@pytest.mark.parametrize(
    ("name", "undo"),
    [
        ("brighter", "darker"),
        ("warmer", "cooler"),
        ("mirror", "mirror"),
        ("rotate_180", "rotate_180"),
        ("invert", "invert"),
    ],
)
def test_an_inverted_edit_is_undone_by_its_counterpart(name, undo):
    assert TEMPLATES[name].invertible
    back = edited(undo, edited(name)).astype(int)
    assert np.abs(back - CAT).mean() < 1.5


def test_edits_that_lose_what_they_change_are_not_inverted():
    kept = {template.name for template in TEMPLATES.values() if not template.invertible}
    assert kept == {"blur", "pixelate", "grayscale", "saturate", "sepia", "frame", "side_by_side"}


def test_a_banner_covers_the_middle_and_nothing_else():
    for choice in every_choice("text_banner"):
        target = TEMPLATES["text_banner"].apply([CAT], choice)
        changed = np.flatnonzero((target != CAT).any(axis=(1, 2)))
        assert changed.min() >= 80 - 22
        assert changed.max() <= 80 + 22
        band = target[60:100]
        assert (band == 255).all(axis=2).mean() > 0.5
        assert (band < 60).all(axis=2).mean() > 0.04


def test_banners_differ_by_their_word():
    targets = [TEMPLATES["text_banner"].apply([CAT], {"word": word}) for word in text.WORDS]
    assert all((one != other).any(axis=2).mean() > 0.01 for one, other in itertools.combinations(targets, 2))


def test_a_frame_leaves_the_inside():
    for choice in every_choice("frame"):
        target = TEMPLATES["frame"].apply([CAT], choice)
        assert np.array_equal(target[18:-18, 18:-18], CAT[18:-18, 18:-18])
        border = np.concatenate([target[:17].reshape(-1, 3), target[:, -17:].reshape(-1, 3)])
        assert (border == add.COLOURS[choice["color"]]).all()


def test_a_disc_sits_where_and_as_it_is_said():
    for choice in every_choice("disc"):
        target = TEMPLATES["disc"].apply([CAT], choice)
        rows, columns = np.nonzero((target != CAT).any(axis=2))
        vertical, horizontal = choice["position"].split()
        assert (rows.mean() < 80) == (vertical == "top")
        assert (columns.mean() < 64) == (horizontal == "left")
        assert tuple(target[round(rows.mean()), round(columns.mean())]) == add.COLOURS[choice["color"]]
        assert len(rows) == pytest.approx(np.pi * (0.17 * 128) ** 2, rel=0.2)


def test_discs_and_banners_survive_a_square_crop_of_an_oblong_picture():
    wide = cv2.resize(CAT, (200, 100))
    for name in ("disc", "text_banner"):
        for choice in every_choice(name):
            changed = np.nonzero((TEMPLATES[name].apply([wide], choice) != wide).any(axis=2))[1]
            inside = ((changed >= 50) & (changed < 150)).sum()
            assert inside > (0.95 * len(changed) if name == "disc" else 0)


def test_side_by_side_shows_half_of_each_picture():
    target = edited("side_by_side")
    assert np.array_equal(target[:, :64], CAT[:, :64])
    swapped = TEMPLATES["side_by_side"].apply([SECOND, CAT], {})
    assert swapped.shape == SECOND.shape
    assert np.abs(target[:, 64:].mean(axis=(0, 1)) - SECOND[:, 75:].mean(axis=(0, 1))).max() < 25
