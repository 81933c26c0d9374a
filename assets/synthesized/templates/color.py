"""Colour edits, which change hues and saturation but no shapes."""

from collections.abc import Mapping, Sequence

import cv2
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

WARM = 1.7
"""Exponent of blue, and the inverse of the exponent of red; it gives a visible cast without clipping."""

SATURATION = 2.5
SEPIA = np.array([[393, 769, 189], [349, 686, 168], [272, 534, 131]])
"""The matrix of the W3C filter `sepia(1)` in thousandths, rows red, green, blue."""

COLOR = Kind("stylistic", "color")


def grayscale(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the Rec. 601 luma of the image as RGB."""
    return cv2.cvtColor(_grey(sources[0]), cv2.COLOR_GRAY2RGB)


def invert(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the photographic negative."""
    return 255 - sources[0]


def warmer(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image with more red and less blue."""
    return through_curve(sources[0], (1 / WARM, 1.0, WARM))


def cooler(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image with more blue and less red; the inverse of `warmer`."""
    return through_curve(sources[0], (WARM, 1.0, 1 / WARM))


def saturate(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image with the distance of every colour from grey multiplied by 2.5."""
    grey = _grey(sources[0])[:, :, None].astype(np.float64)
    return rounded(grey + SATURATION * (sources[0] - grey))


def sepia(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:  # noqa: ARG001
    """Returns the image in the brown tones of an old print."""
    # Integers, because one pixel in a thousand lies halfway between two levels: there the last bit of a
    # floating-point product, which differs between CPUs, would decide, and with it the image's id.
    return rounded((sources[0].astype(np.int64) @ SEPIA.T) / 1000)


def _grey(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


# A negative can be undone exactly, a colour cast up to rounding. Greyscale and sepia lose the hues and
# saturation clips, so they have no inverse.
TEMPLATES = (
    Template("grayscale", COLOR, 1, no_choice, grayscale),
    Template("invert", COLOR, 1, no_choice, invert, inverse=COLOR),
    Template("warmer", COLOR, 1, no_choice, warmer, inverse=COLOR),
    Template("cooler", COLOR, 1, no_choice, cooler, inverse=COLOR),
    Template("saturate", COLOR, 1, no_choice, saturate),
    Template("sepia", COLOR, 1, no_choice, sepia),
)


WORDINGS: Mapping[str, Wordings] = {
    "grayscale": Wordings(
        en=Wording(
            (
                "convert the image to grayscale",
                "turn the photo black and white",
                "remove all color from the picture",
            ),
            "a black and white version of the image",
            "Every color becomes the gray of the same brightness, and shapes and textures stay.",
        ),
        zh=Wording(
            ("把图片转为灰度图", "把照片变成黑白", "去掉画面中的所有颜色"),
            "这张图的黑白版",
            "每种颜色都换成亮度相同的灰色，形状和纹理保持原样。",
        ),
    ),
    "invert": Wordings(
        en=Wording(
            (
                "invert the colors of the image",
                "turn the photo into a negative",
                "swap every color for its opposite",
            ),
            "a negative of the image",
            "Light becomes dark, dark becomes light, and each hue becomes its complement.",
        ),
        zh=Wording(
            ("反转图片的颜色", "把照片变成负片", "把每种颜色换成它的反色"),
            "这张图的负片",
            "亮处变暗，暗处变亮，每种色相都变成它的补色。",
        ),
    ),
    "invert:inverse": Wordings(
        en=Wording(
            (
                "turn the negative back into a positive image",
                "undo the color inversion",
                "restore the normal colors of this negative",
            ),
            "the positive of this negative",
            "The picture shows inverted colors, and each of them returns to its complement.",
        ),
        zh=Wording(
            ("把负片还原成正片", "撤销颜色反转", "恢复这张负片的正常颜色"),
            "这张负片的正片",
            "画面目前是反色的，让每种颜色都回到它的补色。",
        ),
    ),
    "warmer": Wordings(
        en=Wording(
            (
                "make the colors of the image warmer",
                "give the photo a warm orange tone",
                "shift the white balance towards red and yellow",
            ),
            "a warmer version of the image",
            "Reds grow stronger and blues weaker over the whole frame, as in evening sun.",
        ),
        zh=Wording(
            ("让图片的色调变暖", "给照片加上温暖的橙色调", "把白平衡往红黄方向调"),
            "这张图的暖色版",
            "整个画面红色增强、蓝色减弱，像在夕阳下一样。",
        ),
    ),
    "warmer:inverse": Wordings(
        en=Wording(
            (
                "remove the warm color cast from the image",
                "take the orange tint out of the photo",
                "correct the overly warm white balance",
            ),
            "the image without its warm cast",
            "The added red goes and the missing blue returns, so whites are neutral again.",
        ),
        zh=Wording(
            ("去掉图片偏暖的色调", "消除照片里的橙色偏色", "校正过暖的白平衡"),
            "去掉暖色偏差后的图",
            "多余的红色去掉，缺少的蓝色补回来，白色重新变得中性。",
        ),
    ),
    "cooler": Wordings(
        en=Wording(
            (
                "make the colors of the image cooler",
                "give the photo a cold blue tone",
                "shift the white balance towards blue",
            ),
            "a cooler version of the image",
            "Blues grow stronger and reds weaker over the whole frame, as in winter shade.",
        ),
        zh=Wording(
            ("让图片的色调变冷", "给照片加上清冷的蓝色调", "把白平衡往蓝色方向调"),
            "这张图的冷色版",
            "整个画面蓝色增强、红色减弱，像在冬天的阴影里一样。",
        ),
    ),
    "cooler:inverse": Wordings(
        en=Wording(
            (
                "remove the cold color cast from the image",
                "take the blue tint out of the photo",
                "correct the overly cold white balance",
            ),
            "the image without its blue cast",
            "The added blue goes and the missing red returns, so skin and whites look natural again.",
        ),
        zh=Wording(
            ("去掉图片偏冷的色调", "消除照片里的蓝色偏色", "校正过冷的白平衡"),
            "去掉蓝色偏差后的图",
            "多余的蓝色去掉，缺少的红色补回来，肤色和白色重新自然。",
        ),
    ),
    "saturate": Wordings(
        en=Wording(
            (
                "make the colors of the image more vivid",
                "boost the saturation of the photo",
                "make all colors much stronger",
            ),
            "a more colorful version of the image",
            "Every color moves far away from gray while its brightness stays.",
        ),
        zh=Wording(
            ("让图片的颜色更鲜艳", "提高照片的饱和度", "把所有颜色都加强很多"),
            "这张图的鲜艳版",
            "每种颜色都远离灰色，亮度保持不变。",
        ),
    ),
    "sepia": Wordings(
        en=Wording(
            (
                "apply a sepia tone to the image",
                "make the photo look like an old brown print",
                "tint the picture in antique brown",
            ),
            "a sepia version of the image",
            "All colors give way to warm brown tones like those of a print from the nineteenth century.",
        ),
        zh=Wording(
            ("给图片加上棕褐色调", "让照片看起来像发黄的老照片", "把画面染成复古的棕色"),
            "这张图的棕褐色复古版",
            "所有颜色都换成温暖的棕色，像十九世纪的相片。",
        ),
    ),
}
