"""Contact sheets: labelled rows of small pictures as one JPEG that fits into Dagster's event log."""

from collections.abc import Sequence

import numpy as np

from models.common.lettering import paint, text_mask
from models.common.pixels import encode_jpeg, shrink

MAX_BYTES = 100_000
"""Previews are kept in the event log, and larger ones slow Dagster's UI down."""

TILE = 96
LABEL_HEIGHT = 18
GAP = 4
MAX_COLUMNS = 12
PAPER, INK = 250, (40, 40, 40)

LabelledRow = tuple[str, Sequence[np.ndarray]]


def contact_sheet(rows: Sequence[LabelledRow]) -> bytes | None:
    """Returns a JPEG of at most 100 KB, one labelled row of pictures under the other; None without pictures.

    Args:
        rows: a label and its (H, W, 3) uint8 pictures; a row shows its first twelve.
    """
    shown = [(label, pictures[:MAX_COLUMNS]) for label, pictures in rows if len(pictures)]
    if not shown:
        return None
    tile = TILE
    while True:
        sheet = _sheet(shown, tile)
        for quality in (85, 70, 55, 40):
            data = encode_jpeg(sheet, quality)
            if len(data) <= MAX_BYTES:
                return data
        if tile <= 24:  # as small as a picture can be made out: fewer rows say more than smaller ones
            shown = shown[: max(1, len(shown) * 3 // 4)]
        tile = max(24, tile * 3 // 4)


def _sheet(rows: Sequence[LabelledRow], tile: int) -> np.ndarray:
    columns = max(len(pictures) for _, pictures in rows)
    row_height = LABEL_HEIGHT + tile + GAP
    size = (GAP + len(rows) * row_height, GAP + columns * (tile + GAP), 3)
    sheet = np.full(size, PAPER, np.uint8)
    for number, (label, pictures) in enumerate(rows):
        top = GAP + number * row_height
        if label.strip():
            mask = text_mask(label, size[1] - 2 * GAP, LABEL_HEIGHT - 5)
            sheet = paint(sheet, mask, INK, top=top + 1, left=GAP, opacity=1.0)
        for column, picture in enumerate(pictures):
            small = shrink(picture, tile)
            y, x = top + LABEL_HEIGHT, GAP + column * (tile + GAP)
            sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
    return sheet
