"""Reading text of pictures: several sizes, either way up, one reading of each place, in order."""

import cv2
import numpy as np
import pytest

from models.common.pixels import decode
from models.ocr.text_lines import TextLine
from models.ocr.text_reader import PpOcrReader, best_of_each_place, in_reading_order, read_file

READER = PpOcrReader()


def line(
    text: str, x: float, y: float, *, confidence: float = 1.0, size=(100, 20), turn: float = 0.0
) -> TextLine:
    """Returns a line whose box begins at (x, y), turned clockwise in degrees about the origin."""
    width, height = size
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32)
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    return TextLine(text, confidence, corners @ rotation)


def texts(lines) -> list[str]:
    return [line.text for line in lines]


def test_a_whole_line_beats_its_parts_and_a_sure_reading_a_guess():
    whole, part = line("HOTEL", 0, 0, confidence=0.95), line("EL", 60, 0, size=(40, 20))
    guess = line("GOTEL", 0, 1, confidence=0.86)
    assert texts(best_of_each_place([part, guess, whole])) == ["HOTEL"]


def test_a_short_line_inside_the_box_of_a_large_one_stays():
    large, small = line("Python", 0, 0, size=(200, 80)), line("2nd Edition", 20, 55, size=(60, 15))
    assert set(texts(best_of_each_place([large, small]))) == {"Python", "2nd Edition"}


@pytest.mark.parametrize("turn", [0, 20, -35])
@pytest.mark.parametrize(("left", "top"), [(0, 0), (900, 40), (40, 900)])
def test_rows_are_read_from_the_top_and_each_from_the_left_wherever_they_stand(turn, left, top):
    page = [
        line("right", left + 120, top + 2, turn=turn),
        line("below", left, top + 40, turn=turn),
        line("left", left, top, turn=turn),
    ]
    assert texts(in_reading_order(page)) == ["left", "right", "below"]


def test_columns_are_read_from_the_right():
    page = [line(name, x, 0, size=(20, 200)) for name, x in (("third", 0), ("first", 80), ("second", 40))]
    assert texts(in_reading_order(page)) == ["first", "second", "third"]


def test_nothing_to_read_gives_nothing():
    assert in_reading_order([]) == []
    assert READER.read(np.full((40, 60, 3), 128, np.uint8)) == []


def test_signs_outside_the_alphabet_are_named():
    assert READER.cannot_read("Tea 茶, 5 €!") == ""
    assert READER.cannot_read("한 tea") == "한"


def test_the_identity_names_engine_and_weights():
    assert READER.identity["reader"] == "rapidocr"
    assert READER.identity["recognizer"].endswith(".onnx")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rapidocr/text_cls.jpg", "怪我咯"),  # stands on its head
        ("rapidocr/img_exif_orientation.jpg", "我是中国人"),
        ("mmocr_words/1223732.jpg", "HOTEL"),  # 35 x 19 pixels
        ("mmocr_words/1058891.jpg", "Virgin"),
    ],
)
def test_hard_pictures_are_read(shared_data, name, expected):
    found = READER.read(decode(shared_data(f"ocr_text/{name}").read_bytes()))
    assert expected in texts(found)


def test_white_letters_on_nothing_are_read_on_black(shared_data):
    data = shared_data("ocr_text/rapidocr/white_font_color_transparent.png").read_bytes()
    assert texts(READER.read(decode(data))) == []  # as everybody sees it, on white
    assert texts(read_file(READER, data)) == ["我是中国人"]


def test_small_letters_beside_large_ones_are_read():
    picture = np.full((400, 600, 3), 255, np.uint8)
    cv2.putText(picture, "LARGE", (20, 180), cv2.FONT_HERSHEY_SIMPLEX, 5.5, (0, 0, 0), 16, cv2.LINE_AA)
    cv2.putText(picture, "small print", (230, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    assert texts(READER.read(picture)) == ["LARGE", "small print"]
