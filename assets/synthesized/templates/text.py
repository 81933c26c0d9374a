"""Text edits: a word at a fixed position (a structured layout template of report 2.3)."""

from collections.abc import Mapping, Sequence

import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, Wording, Wordings, one_of
from models.common.lettering import paint, text_mask

WORDS = ("SALE", "OPEN", "HELLO", "NEW")
BAND = 0.34
"""Height of the band as a share of the short side: 22 pixels of 64, so that letters are legible."""

LETTERS = (0.86, 0.62)
"""Width of the word as a share of the short side, and its height as a share of the band."""

PAPER, INK = 255, (0, 0, 0)


def text_banner(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """Returns the image with a black word on a white band across the middle.

    Every centre crop contains the middle, so the word is complete in buckets of any aspect ratio.
    """
    height, width = sources[0].shape[:2]
    short = min(height, width)
    band = max(1, round(BAND * short))
    top = (height - band) // 2
    edited = sources[0].copy()
    edited[top : top + band] = PAPER
    mask = text_mask(parameters["word"], round(LETTERS[0] * short), max(1, round(LETTERS[1] * band)))
    left, down = (width - mask.shape[1]) // 2, top + (band - mask.shape[0]) // 2
    return paint(edited, mask, INK, top=down, left=left, opacity=1.0)


TEXT = Kind("structural", "text")

# It has an inverse, because text removal is a task of its own. The original under the band is one of many
# valid results, as for every removal.
TEMPLATES = (Template("text_banner", TEXT, 1, one_of(word=WORDS), text_banner, inverse=TEXT),)


WORDINGS: Mapping[str, Wordings] = {
    "text_banner": Wordings(
        en=Wording(
            (
                'add a white banner with the word "{word}" across the middle of the image',
                'write "{word}" in black letters on a white band over the center of the photo',
                'put a white strip that says "{word}" in the middle of the picture',
            ),
            'the image with a white "{word}" banner across the middle',
            'A white band runs from edge to edge at half height with the word "{word}" in '
            "large black letters.",
        ),
        zh=Wording(
            (
                "在图片正中加一条写着“{word}”的白色横幅",
                "在照片中间的白色色带上用黑字写“{word}”",
                "在画面中央放一条“{word}”白条",
            ),
            "中间带有“{word}”白色横幅的图",
            "半高处一条白色色带横贯左右，上面用大号黑字写着“{word}”。",
        ),
    ),
    "text_banner:inverse": Wordings(
        en=Wording(
            (
                'remove the white banner that says "{word}" from the image',
                'erase the "{word}" strip from the middle of the photo',
                'delete the text "{word}" together with its white band',
            ),
            'the image without the "{word}" banner',
            'The white band with the word "{word}" at half height goes, and the picture '
            "continues where it was.",
        ),
        zh=Wording(
            (
                "去掉图片上写着“{word}”的白色横幅",
                "擦掉照片中间的“{word}”白条",
                "把文字“{word}”连同白色色带一起删除",
            ),
            "没有“{word}”横幅的图",
            "半高处写着“{word}”的白色色带消失，画面自然延续。",
        ),
    ),
}
