import io

import numpy as np
import pytest
from PIL import Image
from toy_suite import picture

from benchmarks.report.sheet import CELL, LEFT, MAX_BYTES, comparison_sheet
from models.common.seeding import numpy_generator


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_each_picture_stands_in_its_row_and_column():
    colours = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (120, 120, 120)]
    cells = [np.full((64, 64, 3), colour, np.uint8) for colour in colours]
    sheet = opened(comparison_sheet(["source", "truth"], [("a", cells[:2]), ("b", cells[2:])]))
    for number, colour in enumerate(colours):
        row, column = divmod(number, 2)
        top, left = sheet.shape[0] - (2 - row) * (CELL + 4), LEFT + column * (CELL + 4)
        middle = sheet[top + CELL // 2, left + CELL // 2]
        assert np.abs(middle - colour).max() < 12


@pytest.mark.parametrize("rows", [1, 12, 60])
def test_a_sheet_never_exceeds_its_bytes(rows):
    noise = numpy_generator(0, "noise").integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = comparison_sheet(["source", *"abcde", "truth"], [(f"row {n}", [noise] * 7) for n in range(rows)])
    assert len(data) <= MAX_BYTES


def test_pictures_of_any_shape_fit():
    shapes = [(20, 90), (300, 40)]
    sheet = comparison_sheet(["source", "truth"], [("a", [picture("x", *shape) for shape in shapes])])
    assert opened(sheet).shape[1] == LEFT + 2 * (CELL + 4)
