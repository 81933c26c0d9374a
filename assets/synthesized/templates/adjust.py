"""Adjustments: exposure, contrast and orientation of a whole image."""

from collections.abc import Mapping, Sequence

import numpy as np

from assets.synthesized.templates.template import (
    Kind,
    Parameters,
    Template,
    Wording,
    Wordings,
    no_choice,
    rounded,
    through_curve,
)

EXPOSURE = 2.6
"""Exponent of `darker`, and the inverse of the exponent of `brighter`; a grey of 128 becomes 42 or 196."""

CONTRAST = 0.4
TONE = Kind("stylistic", "adjust")
ARRANGEMENT = Kind("structural", "adjust")


def brighter(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image with brighter midtones; black and white do not change."""
    return through_curve(sources[0], (1 / EXPOSURE, 1 / EXPOSURE, 1 / EXPOSURE))


def darker(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image with darker midtones; the inverse of `brighter`."""
    return through_curve(sources[0], (EXPOSURE, EXPOSURE, EXPOSURE))


def low_contrast(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image with the distance of every value from mid grey reduced to 40 %."""
    return rounded(127.5 + CONTRAST * (sources[0].astype(np.float64) - 127.5))


def mirror(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image mirrored horizontally."""
    return np.ascontiguousarray(sources[0][:, ::-1])


def rotate_180(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image rotated by 180 degrees."""
    return np.ascontiguousarray(sources[0][::-1, ::-1])


# All have an inverse. Curves and contrast lose at most a few levels by rounding. Mirror and rotation are
# their own inverses; their swapped pairs teach "undo" and have mirrored images as sources.
TEMPLATES = (
    Template("brighter", TONE, 1, no_choice, brighter, inverse=TONE),
    Template("darker", TONE, 1, no_choice, darker, inverse=TONE),
    Template("low_contrast", TONE, 1, no_choice, low_contrast, inverse=TONE),
    Template("mirror", ARRANGEMENT, 1, no_choice, mirror, inverse=ARRANGEMENT),
    Template("rotate_180", ARRANGEMENT, 1, no_choice, rotate_180, inverse=ARRANGEMENT),
)


WORDINGS: Mapping[str, Wordings] = {
    "brighter": Wordings(
        en=Wording(
            ("make the image brighter", "lighten up the whole photo", "increase the exposure of the picture"),
            "a brighter version of the image",
            "Shadows and midtones are lifted clearly, and black and white stay where they are.",
        ),
        zh=Wording(
            ("把图片调亮", "让整张照片更明亮", "提高画面的曝光"),
            "这张图更亮的版本",
            "阴影和中间调明显提亮，纯黑和纯白不变。",
        ),
    ),
    "brighter:inverse": Wordings(
        en=Wording(
            (
                "undo the brightening of the image",
                "bring the washed out photo back to normal exposure",
                "take back the extra exposure",
            ),
            "the image at its normal, lower brightness",
            "The lifted shadows and midtones sink back to where they were before the picture was lightened.",
        ),
        zh=Wording(
            ("撤销图片的提亮", "把发白的照片恢复到正常曝光", "收回多加的曝光"),
            "恢复正常、没那么亮的图",
            "被提亮的阴影和中间调回落到调亮之前的位置。",
        ),
    ),
    "darker": Wordings(
        en=Wording(
            ("make the image darker", "dim the whole photo", "lower the exposure of the picture"),
            "a darker version of the image",
            "Midtones and highlights are lowered clearly, and black and white stay where they are.",
        ),
        zh=Wording(
            ("把图片调暗", "让整张照片暗下来", "降低画面的曝光"),
            "这张图更暗的版本",
            "中间调和高光明显压暗，纯黑和纯白不变。",
        ),
    ),
    "darker:inverse": Wordings(
        en=Wording(
            (
                "undo the darkening of the image",
                "bring the dimmed photo back to normal exposure",
                "recover the shadows of this underexposed picture",
            ),
            "the image at its normal, higher brightness",
            "The lowered midtones rise back to where they were before the picture was dimmed.",
        ),
        zh=Wording(
            ("撤销图片的压暗", "把变暗的照片恢复到正常曝光", "找回这张欠曝照片的暗部"),
            "恢复正常、没那么暗的图",
            "被压低的中间调回升到调暗之前的位置。",
        ),
    ),
    "low_contrast": Wordings(
        en=Wording(
            (
                "reduce the contrast of the image",
                "make the photo look flat and hazy",
                "fade the picture towards gray",
            ),
            "a low contrast version of the image",
            "Bright areas turn darker and dark areas lighter, all of them close to middle gray.",
        ),
        zh=Wording(
            ("降低图片的对比度", "让照片看起来灰蒙蒙的", "让画面向中灰淡化"),
            "这张图的低对比度版",
            "亮的地方变暗，暗的地方变亮，都靠近中灰。",
        ),
    ),
    "low_contrast:inverse": Wordings(
        en=Wording(
            (
                "restore the contrast of the image",
                "remove the gray haze from the photo",
                "make the faded picture crisp again",
            ),
            "the image with its full contrast back",
            "Tones that crowd around middle gray spread out again to deep blacks and clear whites.",
        ),
        zh=Wording(
            ("恢复图片的对比度", "去掉照片上的灰雾感", "让发灰的画面重新通透"),
            "恢复完整对比度的图",
            "挤在中灰附近的色调重新拉开，黑处更深，白处更亮。",
        ),
    ),
    "mirror": Wordings(
        en=Wording(
            (
                "mirror the image horizontally",
                "flip the photo left to right",
                "swap the left and right sides of the picture",
            ),
            "a mirror image of the picture",
            "What is on the left moves to the right and the other way round, and nothing is "
            "turned upside down.",
        ),
        zh=Wording(
            ("把图片水平镜像", "把照片左右翻转", "交换画面的左边和右边"),
            "这张图的镜像",
            "左边的内容移到右边，右边的移到左边，上下不变。",
        ),
    ),
    "mirror:inverse": Wordings(
        en=Wording(
            (
                "undo the horizontal mirroring of the image",
                "flip the mirrored photo back",
                "give the mirrored picture its true left and right again",
            ),
            "the image as it was before it was mirrored",
            "The picture was flipped left to right, and each side returns to its own place.",
        ),
        zh=Wording(
            ("撤销图片的水平镜像", "把镜像过的照片翻回来", "让镜像画面恢复真实的左右"),
            "镜像之前的原图",
            "画面曾被左右翻转，让两边各自回到原来的位置。",
        ),
    ),
    "rotate_180": Wordings(
        en=Wording(
            (
                "rotate the image by 180 degrees",
                "turn the photo upside down",
                "stand the picture on its head",
            ),
            "the image turned upside down",
            "The frame makes half a turn, so that the top left corner ends at the bottom right.",
        ),
        zh=Wording(
            ("把图片旋转180度", "把照片上下颠倒过来", "让画面头朝下"),
            "这张图倒过来的样子",
            "画面转半圈，左上角的内容转到右下角。",
        ),
    ),
    "rotate_180:inverse": Wordings(
        en=Wording(
            (
                "set the upside down image upright again",
                "undo the half turn of the photo",
                "put the picture back on its feet",
            ),
            "the image standing upright again",
            "The picture stands on its head, and half a turn brings the top back to the top.",
        ),
        zh=Wording(
            ("把颠倒的图片摆正", "撤销照片的半圈旋转", "让头朝下的画面重新站好"),
            "重新摆正的图",
            "画面现在头朝下，再转半圈，让顶部回到上方。",
        ),
    ),
}
