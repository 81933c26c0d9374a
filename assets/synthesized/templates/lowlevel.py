"""Low-level edits: what a camera or a codec does to a whole picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, no_choice

BLUR_SHARE = 0.035
"""Sigma as a share of the short side: 2.2 pixels of 64, 18 of 512."""

CELLS = 8
"""Squares along the short side of a pixelated picture; at 64 pixels each is one 8x8 patch of the codec."""

LOWLEVEL = Kind("stylistic", "lowlevel")


def blur(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture under a Gaussian whose sigma is 3.5 % of the short side."""
    sigma = BLUR_SHARE * min(sources[0].shape[:2])
    return cv2.GaussianBlur(sources[0], (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def pixelate(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture as a grid of squares of their mean colour, eight along the short side."""
    height, width = sources[0].shape[:2]
    side = min(height, width) / CELLS
    grid = (max(1, round(width / side)), max(1, round(height / side)))
    small = cv2.resize(sources[0], grid, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


# Neither is inverted: a truth would ask for details that the source no longer holds.
TEMPLATES = (
    Template("blur", LOWLEVEL, 1, no_choice, blur),
    Template("pixelate", LOWLEVEL, 1, no_choice, pixelate),
)
