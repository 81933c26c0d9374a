import re

import numpy as np
import pytest

from assets.captioned.captioner import COLOURS, annotate, caption_text

SCHEMA = {
    "caption": None,
    "image_type": None,
    "style": None,
    "anomalies": None,
    "subjects": {"main": None, "other": None},
    "environment": {"setting": None, "lighting": None, "palette": None, "shot": None},
    "quality": {"resolution": None, "watermarks": None},
}
"""The annotation prompt of the report's appendix, names only."""


def halves(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> np.ndarray:
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:60], pixels[60:] = top, bottom
    return pixels


def names(value):
    return {key: names(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def test_an_annotation_has_the_fields_of_the_report_and_its_captioner():
    annotation = annotate(halves((255, 0, 0), (0, 0, 255)), None)
    assert annotation.pop("captioner") == "embedded"
    assert names(annotation) == names(SCHEMA)


def test_what_pixels_alone_cannot_tell_is_null():
    annotation = annotate(halves((255, 0, 0), (0, 0, 255)), "SALE")
    for key in ("image_type", "style", "anomalies"):
        assert annotation[key] is None
    assert annotation["subjects"] == {"main": None, "other": None}
    assert annotation["quality"] == {"resolution": None, "watermarks": None}
    assert annotation["environment"]["setting"] is None


@pytest.mark.parametrize("name", COLOURS)
def test_a_picture_of_one_named_colour_is_called_by_its_name(name):
    annotation = annotate(np.full((40, 40, 3), COLOURS[name], np.uint8), None)
    assert annotation["environment"]["palette"] == name
    assert annotation["caption"] == f"A picture that is mostly {name}."


@pytest.mark.parametrize(
    ("pixels", "caption"),
    [
        (halves((30, 60, 220), (60, 150, 60)), "A picture with blue at the top and green at the bottom."),
        (
            halves((30, 60, 220), (60, 150, 60)).transpose(1, 0, 2),
            "A picture with blue on the left and green on the right.",
        ),
        (
            np.pad(np.full((60, 60, 3), 250, np.uint8), ((40, 40), (40, 40), (0, 0))),
            "A picture with white on a black ground.",
        ),
    ],
)
def test_the_layout_is_said(pixels, caption):
    assert annotate(np.ascontiguousarray(pixels), None)["caption"] == caption


def test_exposure_and_contrast_are_said():
    said = [
        annotate(np.full((20, 20, 3), level, np.uint8), None)["environment"]["lighting"]
        for level in (8, 60, 130, 190, 250)
    ]
    assert said == [
        f"{word} exposure with low contrast"
        for word in ("very dark", "dark", "medium bright", "bright", "very bright")
    ]
    assert "high contrast" in annotate(halves((0, 0, 0), (255, 255, 255)), None)["environment"]["lighting"]


@pytest.mark.parametrize(
    ("shape", "shot"),
    [
        ((50, 50), "square"),
        ((90, 120), "landscape"),
        ((120, 90), "portrait"),
        ((40, 200), "panoramic"),
        ((200, 40), "tall narrow"),
    ],
)
def test_the_format_is_said(shape, shot):
    assert annotate(np.zeros((*shape, 3), np.uint8), None)["environment"]["shot"] == f"{shot} format"


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_no_text_is_quoted_where_none_was_read(text):
    assert '"' not in annotate(halves((255, 0, 0), (0, 0, 255)), text)["caption"]


def test_visible_text_is_quoted_on_one_line_and_not_at_any_length():
    assert '"SUMMER SALE 夏季"' in annotate(halves((255, 0, 0), (0, 0, 255)), "SUMMER\nSALE  夏季")["caption"]
    long = annotate(halves((255, 0, 0), (0, 0, 255)), "word " * 500)["caption"]
    assert len(long) < 250


def test_the_rendering_leaves_nulls_out_and_ends_in_full_stops():
    text = caption_text(annotate(halves((255, 0, 0), (0, 0, 255)), "SALE"))
    assert re.fullmatch(
        r'A picture .+ It shows the text "SALE"\. Lighting: .+\. Palette: .+\. Shot: .+\.', text
    )
    assert "None" not in text


def test_another_captioners_annotation_is_rendered_as_well():
    annotation = {"caption": "A dog runs.", "style": "Photorealistic", "environment": {"setting": "a beach."}}
    assert caption_text(annotation) == "A dog runs. Style: Photorealistic. Setting: a beach."
    assert caption_text({"caption": None, "environment": None}) == ""
