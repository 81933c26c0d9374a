"""Compositions of more than one reference."""

from collections.abc import Sequence

import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, no_choice
from models.pixels import cover_crop


def side_by_side(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the left half of picture 1 beside the right half of picture 2, at the size of picture 1."""
    height, width = sources[0].shape[:2]
    second = cover_crop(sources[1], height, width)
    return np.concatenate([sources[0][:, : width // 2], second[:, width // 2 :]], axis=1)


# Not inverted: half of each picture is gone.
TEMPLATES = (Template("side_by_side", Kind("structural", "compose"), 2, no_choice, side_by_side),)
