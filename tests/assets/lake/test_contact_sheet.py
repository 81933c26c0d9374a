import io

import numpy as np
from PIL import Image

from assets.lake.contact_sheet import MAX_BYTES, contact_sheet


def noise(number: int, height: int = 300, width: int = 200) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def opened(sheet: bytes | None) -> np.ndarray:
    assert sheet is not None
    image = Image.open(io.BytesIO(sheet))
    assert image.format == "JPEG"
    return np.asarray(image)


def test_a_sheet_shows_each_picture_under_its_label():
    red, blue = np.full((50, 50, 3), (250, 0, 0), np.uint8), np.full((50, 50, 3), (0, 0, 250), np.uint8)
    sheet = opened(contact_sheet([("红色 red", [red]), ("blue", [blue, blue])])).astype(int)
    reds = (sheet[:, :, 0] - sheet[:, :, 2] > 150).sum()
    blues = (sheet[:, :, 2] - sheet[:, :, 0] > 150).sum()
    assert 1.8 < blues / reds < 2.2
    assert (sheet.max(axis=2) < 120).sum() > 30  # the labels' ink


def test_a_sheet_never_exceeds_its_size_even_with_incompressible_pictures():
    rows = [(f"row {number}", [noise(number)] * 12) for number in range(30)]
    sheet = contact_sheet(rows)
    assert sheet is not None
    assert len(sheet) <= MAX_BYTES


def test_without_pictures_there_is_no_sheet():
    assert contact_sheet([]) is None
    assert contact_sheet([("empty", [])]) is None


def test_odd_shapes_and_unlabelled_rows_fit():
    sheet = opened(
        contact_sheet([(" ", [noise(1, 1, 400), noise(2, 400, 1), noise(3, 1, 1)]), ("x" * 400, [noise(4)])])
    )
    assert sheet.shape[1] < 96 * 5  # four columns, so that a label has room


def test_a_long_label_is_cut_off_where_images_are_few():
    labels = "a picture", "a picture of 茶文化 " * 40
    short, long = (opened(contact_sheet([(label, [noise(1)])])) for label in labels)
    assert short.shape == long.shape
    assert (long[:20].max(axis=2) < 120).sum() > 2 * (short[:20].max(axis=2) < 120).sum()
