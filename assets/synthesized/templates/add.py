"""Additions: a frame around an image or a disc on it, and the removal of the disc."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, Wording, Wordings, one_of

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
    """Returns the image with a frame of one colour, 14 % of the short side wide."""
    height, width = sources[0].shape[:2]
    border = max(1, round(FRAME_SHARE * min(height, width)))
    edited = np.full_like(sources[0], COLOURS[parameters["color"]])
    inside = slice(border, height - border), slice(border, width - border)
    edited[inside] = sources[0][inside]
    return edited


def disc(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """Returns the image with a disc of one colour in one quarter."""
    height, width = sources[0].shape[:2]
    short = min(height, width)
    down, right = POSITIONS[parameters["position"]]
    centre = (round(width / 2 + right * DISC_OFFSET * short), round(height / 2 + down * DISC_OFFSET * short))
    edited = sources[0].copy()
    colour = COLOURS[parameters["color"]]
    return cv2.circle(edited, centre, max(1, round(DISC_RADIUS * short)), colour, -1, cv2.LINE_AA)


ADD = Kind("semantic", "add")
REMOVE = Kind("semantic", "remove")

# A disc covers a small area that its surroundings suggest, so it has an inverse, a removal. A frame covers
# the whole border and leaves nothing from which to restore it, so it has none.
TEMPLATES = (
    Template("frame", ADD, 1, one_of(color=FRAME_COLOURS), frame),
    Template("disc", ADD, 1, one_of(color=DISC_COLOURS, position=tuple(POSITIONS)), disc, inverse=REMOVE),
)


WORDINGS: Mapping[str, Wordings] = {
    "frame": Wordings(
        en=Wording(
            (
                "add a {color} frame around the image",
                "put a thick {color} border on all four sides of the photo",
                "surround the picture with {color}",
            ),
            "the image inside a {color} frame",
            "A plain {color} border of even width lies over the outer edge of the picture on every side.",
        ),
        zh=Wording(
            ("给图片加一个{color}相框", "在照片四边加上粗粗的{color}边框", "用{color}把画面围起来"),
            "带{color}相框的图",
            "一圈宽度均匀的{color}边框盖住画面四周的边缘。",
        ),
    ),
    "disc": Wordings(
        en=Wording(
            (
                "add a {color} disc in the {position} of the image",
                "draw a filled {color} circle at the {position} of the photo",
                "place a {color} dot on the {position} part of the picture",
            ),
            "the image with a {color} disc at the {position}",
            "A solid {color} circle, a third of the short side wide, sits in the {position} quarter.",
        ),
        zh=Wording(
            (
                "在图片{position}加一个{color}圆盘",
                "在照片{position}画一个实心的{color}圆",
                "在画面{position}放一个{color}圆点",
            ),
            "{position}带{color}圆盘的图",
            "一个直径约为短边三分之一的实心{color}圆位于{position}。",
        ),
    ),
    "disc:inverse": Wordings(
        en=Wording(
            (
                "remove the {color} disc from the {position} of the image",
                "erase the filled {color} circle at the {position} of the photo",
                "take the {color} dot off the {position} part of the picture",
            ),
            "the image without the {color} disc at the {position}",
            "The solid {color} circle in the {position} quarter goes, and the picture continues beneath it.",
        ),
        zh=Wording(
            (
                "去掉图片{position}的{color}圆盘",
                "擦掉照片{position}那个实心的{color}圆",
                "拿走画面{position}的{color}圆点",
            ),
            "{position}没有{color}圆盘的图",
            "位于{position}的实心{color}圆消失，下面的画面自然延续。",
        ),
    ),
}
