import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toy_pipeline import picture, save_toy_pipeline

from models.common import canonical
from models.registry import registry_model
from models.registry.registry_model import EditorModel, InvalidImageError, InvalidRowError, open_image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def test_a_picture_is_upright():
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    stored = picture(1, 20, 40)
    opened = open_image(encoded(stored, "JPEG", exif=exif, quality=95))
    expected = np.asarray(stored.transpose(Image.Transpose.ROTATE_270), dtype=float)
    assert opened.size == (20, 40)
    assert np.abs(np.asarray(opened, dtype=float) - expected).mean() < 4


def test_what_is_transparent_is_white():
    assert open_image(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))).getpixel((0, 0)) == (
        255,
        255,
        255,
    )


def test_an_edit_has_the_size_and_orientation_of_its_image(tmp_path):
    model = EditorModel()
    folder = save_toy_pipeline(tmp_path / "pipeline")
    model.load_context(SimpleNamespace(artifacts={"pipeline": str(folder)}))  # pyright: ignore[reportArgumentType]
    exif = Image.Exif()
    exif[274] = 6
    files = [
        encoded(picture(1, 20, 40), "JPEG", exif=exif),
        encoded(picture(2, 301, 77)),
        encoded(picture(3, 64, 64)),
    ]
    rows = pd.DataFrame({"image": files, "instruction": "make it darker"})
    edits = model.predict(None, rows, {"num_inference_steps": 1, "seed": 0})["image"]  # pyright: ignore[reportArgumentType]
    sizes = [Image.open(io.BytesIO(edit)).size for edit in edits]
    assert sizes == [(20, 40), (77, 301), (64, 64)]


@pytest.mark.parametrize(
    "data",
    [
        "text",
        None,
        b"",
        b"not a picture",
        encoded(picture(1))[:-200],
    ],
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(InvalidImageError):
        open_image(data)


def test_sizes_are_refused_before_pixels_are_decoded(monkeypatch):
    header_only = encoded(picture(1))[:100]
    with pytest.raises(InvalidImageError, match="readable"):
        open_image(header_only)
    monkeypatch.setattr(canonical, "MAX_PIXELS", 64 * 63)
    with pytest.raises(InvalidImageError, match="64x64 pixels are over the limit of 4032"):
        open_image(header_only)
    monkeypatch.setattr(registry_model, "MAX_BYTES", 10)
    with pytest.raises(InvalidImageError, match="at most 10; found 11 bytes"):
        open_image(b"x" * 11)


def test_an_error_names_its_row():
    frame = pd.DataFrame({"image": [b"broken"], "instruction": ["make it darker"]})
    with pytest.raises(InvalidRowError) as caught:
        EditorModel().predict(None, frame)
    assert caught.value.row == 0
    assert isinstance(caught.value.__cause__, InvalidImageError)
