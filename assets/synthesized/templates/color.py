"""Colour edits: other hues or none, with every shape where it was."""

from collections.abc import Sequence

import cv2
import numpy as np

from assets.synthesized.templates.template import (
    Kind,
    Parameters,
    Template,
    no_choice,
    rounded,
    through_curve,
)

WARM = 1.7
"""Exponent of blue, and one over that of red: a visible cast without clipping."""

SATURATION = 2.5
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
"""The matrix of the W3C filter `sepia(1)`, rows red, green, blue."""

COLOR = Kind("stylistic", "color")


def grayscale(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture in greys of its Rec. 601 luma."""
    return cv2.cvtColor(_grey(sources[0]), cv2.COLOR_GRAY2RGB)


def invert(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the photographic negative."""
    return 255 - sources[0]


def warmer(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with more red and less blue."""
    return through_curve(sources[0], (1 / WARM, 1.0, WARM))


def cooler(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with more blue and less red, undoing `warmer`."""
    return through_curve(sources[0], (WARM, 1.0, 1 / WARM))


def saturate(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with every colour 2.5 times as far from grey."""
    grey = _grey(sources[0])[:, :, None].astype(np.float64)
    return rounded(grey + SATURATION * (sources[0] - grey))


def sepia(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture in the brown tones of an old print."""
    return rounded(sources[0] @ SEPIA.T)


def _grey(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


# A negative and a colour cast can be undone exactly, or to a rounding. Greys and sepia have lost the hues,
# and saturation clips, so their inverses would have to guess.
TEMPLATES = (
    Template("grayscale", COLOR, 1, no_choice, grayscale),
    Template("invert", COLOR, 1, no_choice, invert, inverse=COLOR),
    Template("warmer", COLOR, 1, no_choice, warmer, inverse=COLOR),
    Template("cooler", COLOR, 1, no_choice, cooler, inverse=COLOR),
    Template("saturate", COLOR, 1, no_choice, saturate),
    Template("sepia", COLOR, 1, no_choice, sepia),
)
