"""One small image of a run, for places that show an image and no page."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.common.pixels import cover_crop, encode_jpeg

CELL = 72
LABEL = 16
MARGIN = 4
LEFT = 96
MAX_BYTES = 100_000
"""Dagster keeps the sheet in its event log, base64 inside Markdown, one a run."""

QUALITIES = (90, 80, 70, 55, 40, 25)


def comparison_sheet(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[np.ndarray]]]) -> bytes:
    """Returns a JPEG of at most 100 kB: a heading over each column, a label and its images in each row.

    Args:
        columns: headings, for example source, editors, truth.
        rows: label and images (H, W, 3) uint8, one a column. Rows that would not fit are left out.
    """
    kept = len(rows)
    while kept and len(encode_jpeg(_draw(columns, rows[:kept]), QUALITIES[-1])) > MAX_BYTES:
        kept -= 1
    sheet = _draw(columns, rows[:kept])
    encoded = (encode_jpeg(sheet, quality) for quality in QUALITIES)
    return next(data for data in encoded if len(data) <= MAX_BYTES)


def _draw(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[np.ndarray]]]) -> np.ndarray:
    step = CELL + MARGIN
    sheet = Image.new("RGB", (LEFT + len(columns) * step, LABEL + len(rows) * step), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, heading in enumerate(columns):
        draw.text((LEFT + number * step, 2), _shortened(heading, 12), fill="black", font=font)
    for line, (label, pictures) in enumerate(rows):
        top = LABEL + line * step
        draw.text((MARGIN, top + CELL // 2 - 6), _shortened(label, 16), fill="black", font=font)
        for number, pixels in enumerate(pictures):
            sheet.paste(Image.fromarray(cover_crop(pixels, CELL, CELL)), (LEFT + number * step, top))
    return np.asarray(sheet)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
