import json

import cv2
import numpy as np
import pytest
import zxingcpp
from filter_pictures import PHOTOGRAPHS, recompressed, scaled

from assets.engine.measure import DECODED_LONG_SIDE
from assets.measured.codes import measure_codes
from models.common.pixels import decode

FORMATS = {
    "QR Code": zxingcpp.BarcodeFormat.QRCode,
    "EAN-13": zxingcpp.BarcodeFormat.EAN13,
    "Code 128": zxingcpp.BarcodeFormat.Code128,
    "Data Matrix": zxingcpp.BarcodeFormat.DataMatrix,
    "PDF417": zxingcpp.BarcodeFormat.PDF417,
}


def symbol(name: str, scale: int) -> np.ndarray:
    payload = "400638133393" if name == "EAN-13" else "emberline"
    drawn = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(payload, FORMATS[name]), scale=scale)
    return np.array(drawn)


def on_photograph(name: str, scale: int = 3) -> np.ndarray:
    picture, code = PHOTOGRAPHS["coffee.png"].copy(), symbol(name, scale)
    picture[20 : 20 + code.shape[0], 30 : 30 + code.shape[1]] = code[:, :, None]
    return picture


@pytest.mark.parametrize("name", FORMATS)
def test_a_code_is_found_and_named_wherever_it_lies(name):
    picture = on_photograph(name)
    for seen in (picture, recompressed(picture, 60), np.rot90(picture), picture[::-1, ::-1]):
        measured = measure_codes(np.ascontiguousarray(seen))
        assert measured["count"] == 1
        assert measured["formats"] == [name]


def test_a_turned_smaller_and_soft_code_is_found():
    picture = on_photograph("QR Code", scale=4)
    turn = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), 17, 1)
    turned = cv2.warpAffine(picture, turn, picture.shape[1::-1])
    for seen in (turned, scaled(picture, 0.4), cv2.GaussianBlur(picture, (0, 0), 1.5)):
        assert measure_codes(seen)["count"] == 1


def test_a_code_in_the_shade_is_found():
    picture = on_photograph("EAN-13").astype(float)
    shade = np.linspace(1, 0.08, picture.shape[1])[None, :, None]
    assert measure_codes((picture * shade).astype(np.uint8))["count"] == 1


def test_the_area_is_that_of_the_codes():
    picture = on_photograph("QR Code", scale=4)
    modules = symbol("QR Code", 1).shape[0] - 8  # without the quiet zone of four modules a side
    expected = (4 * modules) ** 2 / (picture.shape[0] * picture.shape[1])
    assert measure_codes(picture)["area"] == pytest.approx(expected, rel=0.05)


def test_photographs_and_lattices_have_no_codes():
    lattice = PHOTOGRAPHS["rocket.jpg"].copy()
    lattice[::8], lattice[:, ::8] = 230, 230
    for picture in [*PHOTOGRAPHS.values(), lattice]:
        for seen in (picture, recompressed(picture, 30)):
            assert measure_codes(seen) == {"count": 0, "formats": [], "area": 0.0}


def test_codes_in_front_of_a_camera_are_found_and_what_only_looks_like_one_is_not(shared_data):
    root = shared_data("codes/ground_truth.jsonl").parents[1]
    lines = (root / "codes/ground_truth.jsonl").read_text().splitlines()
    found: dict[bool, list[bool]] = {True: [], False: []}
    for row in map(json.loads, lines):
        picture = decode((root / row["file"]).read_bytes(), DECODED_LONG_SIDE)
        found[row["has_code"]].append(measure_codes(picture)["count"] > 0)
    assert len(found[True]) == 184
    assert np.mean(found[True]) >= 0.95
    assert not any(found[False])


def test_no_code_is_seen_in_a_thousand_windows_of_photographs(shared_data):
    seen = [
        path.name
        for path in sorted(shared_data("photos/bsds500").rglob("*.jpg"))[::3]
        if measure_codes(decode(path.read_bytes()))["count"]
    ]
    assert seen == []
