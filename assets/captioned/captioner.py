"""The embedded captioner, which annotates one image by the schema of the report (2.5.1, appendix).

It reads colours, exposure and layout from the pixels and does not recognize their content.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from models.common.pixels import shrink

EMBEDDED = "embedded"
THUMBNAIL_SIDE = 48
MIN_COLOUR_SHARE = 0.12
"""Smallest share of the image for a colour of the palette; the largest colour is always named."""

LONGEST_TEXT = 120
"""Largest number of characters of visible text that a caption quotes."""

COLOURS = {
    "black": (15, 15, 15),
    "dark gray": (75, 75, 75),
    "gray": (140, 140, 140),
    "light gray": (200, 200, 200),
    "white": (248, 248, 248),
    "red": (205, 40, 40),
    "dark red": (110, 25, 25),
    "orange": (235, 130, 45),
    "brown": (115, 75, 45),
    "beige": (215, 190, 160),
    "yellow": (240, 215, 70),
    "olive": (120, 120, 50),
    "green": (70, 155, 70),
    "dark green": (35, 70, 40),
    "teal": (40, 125, 125),
    "light blue": (155, 195, 230),
    "blue": (50, 95, 200),
    "navy": (28, 40, 85),
    "purple": (120, 65, 150),
    "pink": (235, 155, 175),
}
SHOTS = ((1.9, "panoramic"), (1.1, "landscape"), (0.91, "square"), (0.53, "portrait"), (0.0, "tall narrow"))
EXPOSURES = ((45, "very dark"), (90, "dark"), (165, "medium bright"), (210, "bright"), (256, "very bright"))
CONTRASTS = ((28, "low"), (60, "moderate"), (256, "high"))
"""Upper limits in levels of the mean luma, and of its standard deviation; they only select words."""


def annotate(pixels: np.ndarray, visible_text: str | None) -> dict[str, Any]:
    """Returns the annotation of (H, W, 3) pixels; fields that the captioner cannot fill are null.

    Args:
        pixels: canonical RGB.
        visible_text: the result of OCR; empty if there is no text, None if OCR was not run.
    """
    small = shrink(pixels, THUMBNAIL_SIDE)
    colours = _nearest_colours(small)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float64)
    exposure = _below(float(luma.mean()), EXPOSURES)
    contrast = _below(float(luma.std()), CONTRASTS)
    sentences = [_layout(colours), _text_sentence(visible_text)]
    return {
        "captioner": EMBEDDED,
        "caption": " ".join(sentence for sentence in sentences if sentence),
        "image_type": None,
        "style": None,
        "anomalies": None,
        "subjects": {"main": None, "other": None},
        "environment": {
            "setting": None,
            "lighting": f"{exposure} exposure with {contrast} contrast",
            "palette": ", ".join(_palette(colours)),
            "shot": f"{_shot(pixels)} format",
        },
        "quality": {"resolution": None, "watermarks": None},
    }


def caption_text(annotation: Mapping[str, Any]) -> str:
    """Returns an annotation of any captioner as plain sentences for training; nulls are omitted."""
    environment = annotation.get("environment") or {}
    fields = {
        "Type": annotation.get("image_type"),
        "Style": annotation.get("style"),
        "Setting": environment.get("setting"),
        "Lighting": environment.get("lighting"),
        "Palette": environment.get("palette"),
        "Shot": environment.get("shot"),
    }
    sentences = [f"{name}: {str(value).rstrip('.')}." for name, value in fields.items() if value]
    return " ".join([str(annotation.get("caption") or "").strip(), *sentences]).strip()


def _nearest_colours(pixels: np.ndarray) -> np.ndarray:
    """Returns the index of the colour of COLOURS nearest to each pixel in CIELAB, (H, W)."""
    named = np.array(list(COLOURS.values()), np.uint8)[None]
    reference = _lab(named)[0]
    distances = np.linalg.norm(_lab(pixels)[:, :, None] - reference[None, None], axis=3)
    return distances.argmin(axis=2)


def _lab(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _palette(colours: np.ndarray) -> list[str]:
    """Returns the names of the dominant colours, largest first, at most four."""
    shares = np.bincount(colours.ravel(), minlength=len(COLOURS)) / colours.size
    order = np.argsort(-shares, kind="stable")
    listed = list(COLOURS)
    return [
        listed[index]
        for rank, index in enumerate(order[:4])
        if rank == 0 or shares[index] >= MIN_COLOUR_SHARE
    ]


def _layout(colours: np.ndarray) -> str:
    """Returns a sentence on the positions of the main colours, by rows or, if these are equal, by columns."""
    height, width = colours.shape
    top, bottom = _palette(colours[: height // 3 + 1])[0], _palette(colours[-(height // 3 + 1) :])[0]
    left, right = _palette(colours[:, : width // 3 + 1])[0], _palette(colours[:, -(width // 3 + 1) :])[0]
    if top != bottom:
        return f"A picture with {top} at the top and {bottom} at the bottom."
    if left != right:
        return f"A picture with {left} on the left and {right} on the right."
    centre = _palette(colours[height // 3 : height - height // 3, width // 3 : width - width // 3])[0]
    return (
        f"A picture that is mostly {top}." if centre == top else f"A picture with {centre} on a {top} ground."
    )


def _text_sentence(text: str | None) -> str:
    line = " ".join((text or "").split())
    if not line:
        return ""
    quoted = line if len(line) <= LONGEST_TEXT else line[:LONGEST_TEXT].rstrip() + "…"
    return f'It shows the text "{quoted}".'


def _shot(pixels: np.ndarray) -> str:
    aspect = pixels.shape[1] / pixels.shape[0]
    return next(name for limit, name in SHOTS if aspect > limit)


def _below(value: float, words: tuple[tuple[int, str], ...]) -> str:
    return next(word for limit, word in words if value < limit)
