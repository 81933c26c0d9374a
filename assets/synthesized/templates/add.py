"""Additions: plain things put on or around a picture, and taken off again."""

from collections.abc import Sequence

import cv2
import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, one_of

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (30, 60, 220),
    "yellow": (250, 215, 30),
    "white": (255, 255, 255),
}
FRAME_COLOURS = ("red", "blue", "yellow", "white")
DISC_COLOURS = ("red", "green", "blue")
POSITIONS = {"top left": (-1, -1), "top right": (-1, 1), "bottom left": (1, -1), "bottom right": (1, 1)}
FRAME_SHARE = 0.14
DISC_RADIUS, DISC_OFFSET = 0.17, 0.26
"""Shares of the short side; the offset from the centre keeps a disc inside every centre crop."""


def frame(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """Returns the picture under a frame of one colour, 14 % of the short side wide."""
    height, width = sources[0].shape[:2]
    border = max(1, round(FRAME_SHARE * min(height, width)))
    edited = np.full_like(sources[0], COLOURS[parameters["color"]])
    inside = slice(border, height - border), slice(border, width - border)
    edited[inside] = sources[0][inside]
    return edited


def disc(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """Returns the picture with a disc of one colour in one of its quarters."""
    height, width = sources[0].shape[:2]
    short = min(height, width)
    down, right = POSITIONS[parameters["position"]]
    centre = (round(width / 2 + right * DISC_OFFSET * short), round(height / 2 + down * DISC_OFFSET * short))
    edited = sources[0].copy()
    colour = COLOURS[parameters["color"]]
    return cv2.circle(edited, centre, max(1, round(DISC_RADIUS * short)), colour, -1, cv2.LINE_AA)


ADD = Kind("semantic", "add")
REMOVE = Kind("semantic", "remove")

# A disc hides a small part that its surroundings suggest, so its inverse is a removal. A frame hides the
# whole border, of which nothing is left to go by.
TEMPLATES = (
    Template("frame", ADD, 1, one_of(color=FRAME_COLOURS), frame),
    Template("disc", ADD, 1, one_of(color=DISC_COLOURS, position=tuple(POSITIONS)), disc, inverse=REMOVE),
)
