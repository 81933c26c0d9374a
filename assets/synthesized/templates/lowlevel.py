"""Low-level edits: degradations of a whole image, as by a camera or a codec."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, Wording, Wordings, no_choice

BLUR_SHARE = 0.035
"""Sigma as a share of the short side: 2.2 pixels of 64, 18 of 512."""

CELLS = 8
"""Squares along the short side of a pixelated image; at 64 pixels each is one 8x8 patch of the codec."""

LOWLEVEL = Kind("stylistic", "lowlevel")


def blur(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image under a Gaussian blur whose sigma is 3.5 % of the short side."""
    sigma = BLUR_SHARE * min(sources[0].shape[:2])
    return cv2.GaussianBlur(sources[0], (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def pixelate(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image as a grid of squares of their mean colour, eight along the short side."""
    height, width = sources[0].shape[:2]
    side = min(height, width) / CELLS
    grid = (max(1, round(width / side)), max(1, round(height / side)))
    small = cv2.resize(sources[0], grid, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


# Neither has an inverse, because the source no longer contains the details of the target.
TEMPLATES = (
    Template("blur", LOWLEVEL, 1, no_choice, blur),
    Template("pixelate", LOWLEVEL, 1, no_choice, pixelate),
)


WORDINGS: Mapping[str, Wordings] = {
    "blur": Wordings(
        en=Wording(
            (
                "blur the image",
                "make the picture look out of focus",
                "soften the whole photo with a strong blur",
            ),
            "a blurred version of the image",
            "A strong Gaussian blur covers the whole frame, so edges and fine details melt away.",
        ),
        zh=Wording(
            ("把图片变模糊", "让照片看起来像失焦一样", "给整张照片加上明显的模糊"),
            "这张图的模糊版",
            "整个画面加上强烈的高斯模糊，边缘和细节都化开。",
        ),
    ),
    "pixelate": Wordings(
        en=Wording(
            (
                "pixelate the image",
                "turn the photo into big square pixels",
                "make the picture look like a mosaic of blocks",
            ),
            "a pixelated version of the image",
            "The picture becomes a coarse grid of squares, eight along its short side, each "
            "in its mean color.",
        ),
        zh=Wording(
            ("把图片像素化", "把照片变成大方块像素", "让画面看起来像由色块拼成"),
            "这张图的像素化版",
            "画面变成粗糙的方格，短边八格，每格取该处的平均颜色。",
        ),
    ),
}
