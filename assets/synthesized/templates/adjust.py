"""Adjustments: exposure, contrast and orientation of a whole picture."""

from collections.abc import Sequence

import numpy as np

from assets.synthesized.templates.template import (
    Kind,
    Parameters,
    Template,
    no_choice,
    rounded,
    through_curve,
)

EXPOSURE = 2.6
"""Exponent of `darker`, and one over that of `brighter`: a mid grey of 128 becomes 42 or 196."""

CONTRAST = 0.4
TONE = Kind("stylistic", "adjust")
ARRANGEMENT = Kind("structural", "adjust")


def brighter(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with all tones lifted, black and white where they were."""
    return through_curve(sources[0], (1 / EXPOSURE, 1 / EXPOSURE, 1 / EXPOSURE))


def darker(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with all tones lowered, undoing `brighter`."""
    return through_curve(sources[0], (EXPOSURE, EXPOSURE, EXPOSURE))


def low_contrast(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with every value at 40 % of its distance from mid grey."""
    return rounded(127.5 + CONTRAST * (sources[0].astype(np.float64) - 127.5))


def mirror(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture with left and right exchanged."""
    return np.ascontiguousarray(sources[0][:, ::-1])


def rotate_180(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the picture upside down, as turned by hand."""
    return np.ascontiguousarray(sources[0][::-1, ::-1])


# All are inverted. Curves and contrast lose at most a few levels to rounding; mirror and rotation are their
# own inverses, so swapping them teaches `undo` and shows mirrored pictures as sources.
TEMPLATES = (
    Template("brighter", TONE, 1, no_choice, brighter, inverse=TONE),
    Template("darker", TONE, 1, no_choice, darker, inverse=TONE),
    Template("low_contrast", TONE, 1, no_choice, low_contrast, inverse=TONE),
    Template("mirror", ARRANGEMENT, 1, no_choice, mirror, inverse=ARRANGEMENT),
    Template("rotate_180", ARRANGEMENT, 1, no_choice, rotate_180, inverse=ARRANGEMENT),
)
