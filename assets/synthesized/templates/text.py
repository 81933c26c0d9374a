"""Text edits: words at a fixed anchor (a structured layout template of report 2.3)."""

from collections.abc import Sequence

import numpy as np

from assets.synthesized.templates.template import Kind, Parameters, Template, one_of
from models.lettering import paint, text_mask

WORDS = ("SALE", "OPEN", "HELLO", "NEW")
BAND = 0.34
"""Height of the band as a share of the short side: 22 pixels of 64, so that letters stay legible there."""

LETTERS = (0.86, 0.62)
"""Width of the word as a share of the short side, and its height as a share of the band."""

PAPER, INK = 255, (0, 0, 0)


def text_banner(sources: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """Returns the picture with a white band across its middle that carries a word in black.

    The middle is what every centre crop keeps, so the word survives a bucket of another shape.
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

# Inverted: taking lettering off a picture is a task of its own. Its truth under the band is one of many
# possible ones, which is what every removal asks of a model.
TEMPLATES = (Template("text_banner", TEXT, 1, one_of(word=WORDS), text_banner, inverse=TEXT),)
