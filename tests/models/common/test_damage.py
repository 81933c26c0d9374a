import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from skimage import data as photographs

from models.common.damage import damage

CAT = photographs.chelsea()


def saved(format_: str, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(CAT).convert(mode).save(buffer, format_, **options)
    return buffer.getvalue()


WHOLE = {
    "baseline": saved("JPEG", quality=90),
    "progressive": saved("JPEG", quality=80, progressive=True),
    "grey": saved("JPEG", "L"),
    "cmyk": saved("JPEG", "CMYK"),
    "restarts": saved("JPEG", restart_marker_rows=2),
    "png": saved("PNG"),
    "palette": saved("PNG", "P"),
    "webp": saved("WEBP"),
    "tiff": saved("TIFF"),
    "gif": saved("GIF"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_not_damaged(name):
    assert damage(WHOLE[name]) is None
    if name != "tiff":
        assert damage(WHOLE[name] + b"\0" * 100) is None  # what follows the image does no harm


@pytest.mark.parametrize("name", ["baseline", "progressive", "grey", "cmyk", "restarts"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_cut_jpeg_with_an_end_is_found(name, share):
    whole = WHOLE[name]
    assert damage(whole[: int(len(whole) * share)] + b"\xff\xd9") is not None


@pytest.mark.parametrize("name", ["png", "palette"])
@pytest.mark.parametrize("size", [1, 64, 4096])
def test_changed_pixels_of_a_png_are_found(name, size):
    whole = bytearray(WHOLE[name])
    middle = len(whole) // 2
    whole[middle : middle + size] = bytes(255 - value for value in whole[middle : middle + size])
    assert "checksum" in str(damage(bytes(whole)))


@pytest.mark.parametrize("name", ["png", "webp"])
def test_a_cut_file_is_found_even_where_a_decoder_forgives(name, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert damage(WHOLE[name][:-200]) is not None


def test_a_wrong_checksum_beside_the_pixels_does_no_harm():
    whole = saved("PNG", dpi=(72, 72))
    at = whole.index(b"pHYs") + 4
    assert damage(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) is None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 200_000), st.binary(max_size=40))
def test_any_bytes_are_damaged_or_not_but_raise_nothing(name, at, junk):
    whole = WHOLE[name]
    at %= len(whole)
    for data in (whole[:at] + junk + whole[at + len(junk) :], junk, whole[:at]):
        found = damage(data)
        assert found is None or found


def test_no_whole_file_of_others_is_refused(shared_data):
    for folder in ("formats", "exif", "photos", "codes", "pairs", "ocr_text"):
        for path in sorted(shared_data(folder).rglob("*")):
            if path.is_file():
                assert damage(path.read_bytes()) is None, path


def test_more_than_a_twentieth_of_the_rows_is_never_lost_unnoticed_by_a_cut():
    whole = WHOLE["baseline"]
    for share in np.linspace(0.2, 0.93, 12):
        assert damage(whole[: int(len(whole) * share)] + b"\xff\xd9") is not None
