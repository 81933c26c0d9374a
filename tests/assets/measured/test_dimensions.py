import io

import numpy as np
import pytest
from PIL import Image

from assets.measured.dimensions import measure_dimensions
from models.common.pixels import decode
from orchestration.profile import load_profile


def saved(width: int, height: int, orientation: int = 1, format_: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, format_, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_dimensions_are_those_of_the_decoded_image(orientation, format_):
    data = saved(64, 40, orientation, format_)
    measured = measure_dimensions(data)
    assert decode(data).shape[:2] == (measured["height"], measured["width"])
    assert (measured["short_side"], measured["pixels"], measured["aspect"]) == (40, 64 * 40, 1.6)


def test_what_is_no_image_has_a_reason():
    assert set(measure_dimensions(b"no image")) == {"error"}


@pytest.mark.parametrize("profile", ["demo", "workstation", "cluster"])
@pytest.mark.parametrize(
    ("size", "kept"),
    [((16, 16), False), ((24, 24), False), ((8, 1024), False), ((3, 900), False), ((1024, 768), True)],
)
def test_the_default_rules_drop_what_is_too_small_or_too_narrow(profile, size, kept):
    rules = load_profile(profile).filtered.rules
    measured = measure_dimensions(saved(*size))
    small, narrow = rules["too_small"], rules["too_narrow"]
    assert small.measure == "dimensions.short_side"
    assert narrow.measure == "dimensions.aspect"
    passes = measured["short_side"] > np.float64(small.value) and measured["aspect"] < np.float64(
        narrow.value
    )
    assert passes == kept
