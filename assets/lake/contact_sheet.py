"""Contact sheets: labelled rows of small images as one JPEG that fits into Dagster's event log."""

from collections.abc import Sequence

import numpy as np

from models.common.lettering import paint, text_mask
from models.common.pixels import encode_jpeg, shrink

MAX_BYTES = 100_000
"""Previews are stored in the event log; larger ones slow down Dagster's UI."""

TILE = 96
LABEL_HEIGHT = 18
GAP = 4
MIN_COLUMNS, MAX_COLUMNS = 4, 12
UNLIMITED = 10**6
SMALLEST_LABEL = 0.7
"""A label that would have to be smaller than this share of its height is cut off instead."""

BACKGROUND, TEXT = 250, (40, 40, 40)

LabelledRow = tuple[str, Sequence[np.ndarray]]


def contact_sheet(rows: Sequence[LabelledRow]) -> bytes | None:
    """Returns a JPEG of at most 100 KB with one labelled row of images below the other; None without images.

    Args:
        rows: labels with their images (H, W, 3) uint8. A row shows its first twelve images.
    """
    visible = [(label, images[:MAX_COLUMNS]) for label, images in rows if len(images)]
    if not visible:
        return None
    tile = TILE
    while True:
        sheet = _sheet(visible, tile)
        for quality in (85, 70, 55, 40):
            data = encode_jpeg(sheet, quality)
            if len(data) <= MAX_BYTES:
                return data
        if tile <= 24:  # smaller images can't be recognized, so show fewer rows instead
            visible = visible[: max(1, len(visible) * 3 // 4)]
        tile = max(24, tile * 3 // 4)


def _sheet(rows: Sequence[LabelledRow], tile: int) -> np.ndarray:
    columns = max(MIN_COLUMNS, *(len(images) for _, images in rows))
    row_height = LABEL_HEIGHT + tile + GAP
    size = (GAP + len(rows) * row_height, GAP + columns * (tile + GAP), 3)
    sheet = np.full(size, BACKGROUND, np.uint8)
    for number, (label, images) in enumerate(rows):
        top = GAP + number * row_height
        if label.strip():
            sheet = paint(sheet, _label(label, size[1] - 2 * GAP), TEXT, top=top + 1, left=GAP, opacity=1.0)
        for column, image in enumerate(images):
            small = shrink(image, tile)
            y, x = top + LABEL_HEIGHT, GAP + column * (tile + GAP)
            sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
    return sheet


def _label(text: str, width: int) -> np.ndarray:
    """Returns the coverage of a label that is at most `width` pixels wide; a long text is cut off."""
    height = LABEL_HEIGHT - 5
    natural = text_mask(text, UNLIMITED, height).shape[1]
    if natural * SMALLEST_LABEL > width:
        text = text[: max(1, int(len(text) * width / (natural * SMALLEST_LABEL)) - 1)].rstrip() + "…"
    return text_mask(text, width, height)
