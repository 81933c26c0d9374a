"""English wording of each edit kind: what to do, what the result is called, what exactly changes.

`{word}`, `{color}` and `{position}` stand for the parameters of a template. The first command is the
canonical instruction; no phrase occurs under two kinds.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Phrases(NamedTuple):
    """The wording of one edit kind in one language."""

    commands: tuple[str, ...]
    result: str
    detail: str


PHRASES: Mapping[str, Phrases] = {
    "blur": Phrases(
        ("blur the image", "make the picture look out of focus", "soften the whole photo with a strong blur"),
        "a blurred version of the image",
        "A strong Gaussian blur covers the whole frame, so edges and fine details melt away.",
    ),
    "pixelate": Phrases(
        (
            "pixelate the image",
            "turn the photo into big square pixels",
            "make the picture look like a mosaic of blocks",
        ),
        "a pixelated version of the image",
        "The picture becomes a coarse grid of squares, eight along its short side, each in its mean color.",
    ),
    "grayscale": Phrases(
        (
            "convert the image to grayscale",
            "turn the photo black and white",
            "remove all color from the picture",
        ),
        "a black and white version of the image",
        "Every color becomes the gray of the same brightness, and shapes and textures stay.",
    ),
    "invert": Phrases(
        (
            "invert the colors of the image",
            "turn the photo into a negative",
            "swap every color for its opposite",
        ),
        "a negative of the image",
        "Light becomes dark, dark becomes light, and each hue becomes its complement.",
    ),
    "invert:inverse": Phrases(
        (
            "turn the negative back into a positive image",
            "undo the color inversion",
            "restore the normal colors of this negative",
        ),
        "the positive of this negative",
        "The picture shows inverted colors, and each of them returns to its complement.",
    ),
    "warmer": Phrases(
        (
            "make the colors of the image warmer",
            "give the photo a warm orange tone",
            "shift the white balance towards red and yellow",
        ),
        "a warmer version of the image",
        "Reds grow stronger and blues weaker over the whole frame, as in evening sun.",
    ),
    "warmer:inverse": Phrases(
        (
            "remove the warm color cast from the image",
            "take the orange tint out of the photo",
            "correct the overly warm white balance",
        ),
        "the image without its warm cast",
        "The added red goes and the missing blue returns, so whites are neutral again.",
    ),
    "cooler": Phrases(
        (
            "make the colors of the image cooler",
            "give the photo a cold blue tone",
            "shift the white balance towards blue",
        ),
        "a cooler version of the image",
        "Blues grow stronger and reds weaker over the whole frame, as in winter shade.",
    ),
    "cooler:inverse": Phrases(
        (
            "remove the cold color cast from the image",
            "take the blue tint out of the photo",
            "correct the overly cold white balance",
        ),
        "the image without its blue cast",
        "The added blue goes and the missing red returns, so skin and whites look natural again.",
    ),
    "saturate": Phrases(
        (
            "make the colors of the image more vivid",
            "boost the saturation of the photo",
            "make all colors much stronger",
        ),
        "a more colorful version of the image",
        "Every color moves far away from gray while its brightness stays.",
    ),
    "sepia": Phrases(
        (
            "apply a sepia tone to the image",
            "make the photo look like an old brown print",
            "tint the picture in antique brown",
        ),
        "a sepia version of the image",
        "All colors give way to warm brown tones like those of a print from the nineteenth century.",
    ),
    "brighter": Phrases(
        ("make the image brighter", "lighten up the whole photo", "increase the exposure of the picture"),
        "a brighter version of the image",
        "Shadows and midtones are lifted clearly, and black and white stay where they are.",
    ),
    "brighter:inverse": Phrases(
        (
            "undo the brightening of the image",
            "bring the washed out photo back to normal exposure",
            "take back the extra exposure",
        ),
        "the image at its normal, lower brightness",
        "The lifted shadows and midtones sink back to where they were before the picture was lightened.",
    ),
    "darker": Phrases(
        ("make the image darker", "dim the whole photo", "lower the exposure of the picture"),
        "a darker version of the image",
        "Midtones and highlights are lowered clearly, and black and white stay where they are.",
    ),
    "darker:inverse": Phrases(
        (
            "undo the darkening of the image",
            "bring the dimmed photo back to normal exposure",
            "recover the shadows of this underexposed picture",
        ),
        "the image at its normal, higher brightness",
        "The lowered midtones rise back to where they were before the picture was dimmed.",
    ),
    "low_contrast": Phrases(
        (
            "reduce the contrast of the image",
            "make the photo look flat and hazy",
            "fade the picture towards gray",
        ),
        "a low contrast version of the image",
        "Bright areas turn darker and dark areas lighter, all of them close to middle gray.",
    ),
    "low_contrast:inverse": Phrases(
        (
            "restore the contrast of the image",
            "remove the gray haze from the photo",
            "make the faded picture crisp again",
        ),
        "the image with its full contrast back",
        "Tones that crowd around middle gray spread out again to deep blacks and clear whites.",
    ),
    "mirror": Phrases(
        (
            "mirror the image horizontally",
            "flip the photo left to right",
            "swap the left and right sides of the picture",
        ),
        "a mirror image of the picture",
        "What is on the left moves to the right and the other way round, and nothing is turned upside down.",
    ),
    "mirror:inverse": Phrases(
        (
            "undo the horizontal mirroring of the image",
            "flip the mirrored photo back",
            "give the mirrored picture its true left and right again",
        ),
        "the image as it was before it was mirrored",
        "The picture was flipped left to right, and each side returns to its own place.",
    ),
    "rotate_180": Phrases(
        ("rotate the image by 180 degrees", "turn the photo upside down", "stand the picture on its head"),
        "the image turned upside down",
        "The frame makes half a turn, so that the top left corner ends at the bottom right.",
    ),
    "rotate_180:inverse": Phrases(
        (
            "set the upside down image upright again",
            "undo the half turn of the photo",
            "put the picture back on its feet",
        ),
        "the image standing upright again",
        "The picture stands on its head, and half a turn brings the top back to the top.",
    ),
    "text_banner": Phrases(
        (
            'add a white banner with the word "{word}" across the middle of the image',
            'write "{word}" in black letters on a white band over the center of the photo',
            'put a white strip that says "{word}" in the middle of the picture',
        ),
        'the image with a white "{word}" banner across the middle',
        'A white band runs from edge to edge at half height with the word "{word}" in large black letters.',
    ),
    "text_banner:inverse": Phrases(
        (
            'remove the white banner that says "{word}" from the image',
            'erase the "{word}" strip from the middle of the photo',
            'delete the text "{word}" together with its white band',
        ),
        'the image without the "{word}" banner',
        'The white band with the word "{word}" at half height goes, and the picture continues where it was.',
    ),
    "frame": Phrases(
        (
            "add a {color} frame around the image",
            "put a thick {color} border on all four sides of the photo",
            "surround the picture with {color}",
        ),
        "the image inside a {color} frame",
        "A plain {color} border of even width lies over the outer edge of the picture on every side.",
    ),
    "disc": Phrases(
        (
            "add a {color} disc in the {position} of the image",
            "draw a filled {color} circle at the {position} of the photo",
            "place a {color} dot on the {position} part of the picture",
        ),
        "the image with a {color} disc at the {position}",
        "A solid {color} circle, a third of the short side wide, sits in the {position} quarter.",
    ),
    "disc:inverse": Phrases(
        (
            "remove the {color} disc from the {position} of the image",
            "erase the filled {color} circle at the {position} of the photo",
            "take the {color} dot off the {position} part of the picture",
        ),
        "the image without the {color} disc at the {position}",
        "The solid {color} circle in the {position} quarter goes, and the picture continues beneath it.",
    ),
    "side_by_side": Phrases(
        (
            "combine the left half of picture 1 with the right half of picture 2",
            "join both pictures: picture 1 on the left, picture 2 on the right",
            "put half of the first photo beside half of the second",
        ),
        "one image split between picture 1 and picture 2",
        "Left of a straight seam is the left half of picture 1, right of it the right half of picture 2.",
    ),
}
