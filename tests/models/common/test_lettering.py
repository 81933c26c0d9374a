import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.common.lettering import InvisibleTextError, TextDoesNotFitError, paint, text_mask


@pytest.mark.parametrize("text", ["SALE", "夏季大促销", "Photo of the day", "gjpq"])
def test_a_line_is_cut_tight_and_as_large_as_its_box_allows(text):
    mask = text_mask(text, 200, 40)
    assert mask.shape[0] <= 40
    assert mask.shape[1] <= 200
    assert mask.shape[0] >= 34 or mask.shape[1] >= 180
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert edge.any()


def test_chinese_signs_are_drawn_and_differ():
    signs = [text_mask(sign, 60, 60) for sign in "春夏秋冬"]
    shapes = {mask.shape for mask in signs}
    assert all(mask.mean() > 20 for mask in signs)
    assert len(shapes) > 1 or not all(np.array_equal(signs[0], other) for other in signs[1:])


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 300), st.integers(6, 100))
def test_a_line_never_leaves_its_box(width, height):
    mask = text_mask("NEW", width, height)
    assert mask.shape[0] <= height
    assert mask.shape[1] <= width


@pytest.mark.parametrize("text", ["", "   "])
def test_a_line_without_a_sign_is_refused(text):
    with pytest.raises(InvisibleTextError):
        text_mask(text, 50, 50)


def test_a_box_too_small_for_the_line_is_refused():
    with pytest.raises(TextDoesNotFitError):
        text_mask("a long line of text", 3, 3)


def test_paint_blends_by_coverage_and_opacity_and_leaves_the_source():
    pixels = np.full((4, 4, 3), 100, np.uint8)
    mask = np.array([[255, 0], [51, 255]], np.uint8)
    painted = paint(pixels, mask, (200, 0, 100), top=1, left=1, opacity=0.5)
    assert painted[1, 1].tolist() == [150, 50, 100]
    assert painted[1, 2].tolist() == [100, 100, 100]
    assert painted[2, 1].tolist() == [110, 90, 100]
    assert (pixels == 100).all()


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_what_lies_outside_the_picture_is_cut_off(top, left):
    painted = paint(
        np.zeros((5, 6, 3), np.uint8),
        np.full((3, 4), 255, np.uint8),
        (255, 255, 255),
        top=top,
        left=left,
        opacity=1,
    )
    rows = max(0, min(top + 3, 5) - max(top, 0))
    columns = max(0, min(left + 4, 6) - max(left, 0))
    assert (painted == 255).all(axis=2).sum() == rows * columns
