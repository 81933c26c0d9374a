"""Compositions of several references."""

from collections.abc import Mapping, Sequence

import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, Wording, Wordings, no_choice
from models.common.pixels import cover_crop


def side_by_side(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the left half of image 1 beside the right half of image 2, at the size of image 1."""
    height, width = sources[0].shape[:2]
    second = cover_crop(sources[1], height, width)
    return np.concatenate([sources[0][:, : width // 2], second[:, width // 2 :]], axis=1)


# No inverse, because half of each image is lost.
TEMPLATES = (Template("side_by_side", Kind("structural", "compose"), 2, no_choice, side_by_side),)


WORDINGS: Mapping[str, Wordings] = {
    "side_by_side": Wordings(
        en=Wording(
            (
                "combine the left half of picture 1 with the right half of picture 2",
                "join both pictures: picture 1 on the left, picture 2 on the right",
                "put half of the first photo beside half of the second",
            ),
            "one image split between picture 1 and picture 2",
            "Left of a straight seam is the left half of picture 1, right of it the right half of picture 2.",
        ),
        zh=Wording(
            (
                "把图1的左半边和图2的右半边拼在一起",
                "把两张图拼起来：左边图1，右边图2",
                "让第一张照片的一半挨着第二张照片的一半",
            ),
            "图1和图2各占一半的图",
            "左半边是图1的左半边，右半边是图2的右半边，接缝笔直。",
        ),
    ),
}
