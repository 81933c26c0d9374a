"""How pictures travel to a judge: every transport; turned, transparent and broken pictures."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from toy_suite import picture

from models.common.canonical import UnreadableImageError
from models.common.pixels import decode, encode_jpeg, encode_png
from models.vlm.messages import Show, Transport
from models.vlm.transport import ImagePayload, encode_image

SOURCE = picture("source", 40, 60)
OUTPUT = picture("output", 100, 200)


def payload(output: bytes, source: bytes = encode_png(SOURCE)) -> ImagePayload:
    files = {"source": source, "output": output}
    return ImagePayload(files, {role: hashlib.sha256(data).hexdigest() for role, data in files.items()})


def sent(output: bytes, transport: Transport, *, upright: bool = False):
    return encode_image(Show("output", transport), payload(output), upright=upright)


def opened(one) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(one.data)))


def saved(image: Image.Image, kind: str, **how) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def test_png_sends_the_same_pixels_at_the_same_size():
    one = sent(encode_jpeg(OUTPUT, 90), Transport("png"))
    assert one.media_type == "image/png"
    np.testing.assert_array_equal(opened(one), decode(encode_jpeg(OUTPUT, 90)))


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (encode_png(OUTPUT), "image/png"), (encode_jpeg(OUTPUT, 80), "image/jpeg"),
        (saved(Image.fromarray(OUTPUT), "WEBP", lossless=True), "image/webp"),
    ],
)  # fmt: skip
def test_a_file_goes_as_it_came_under_its_true_name(data, media_type):
    one = sent(data, Transport("file"))
    assert (one.media_type, one.data) == (media_type, data)


def test_a_file_that_no_judge_accepts_is_encoded_as_png():
    one = sent(saved(Image.fromarray(OUTPUT), "BMP"), Transport("file"))
    assert one.media_type == "image/png"
    np.testing.assert_array_equal(opened(one), OUTPUT)


def test_jpeg_is_that_of_pillow_at_the_same_quality():
    one = sent(encode_png(OUTPUT), Transport("jpeg", quality=75))
    assert one.media_type == "image/jpeg"
    assert one.data == saved(Image.fromarray(OUTPUT), "JPEG", quality=75)


def test_an_output_is_resized_to_the_source_whatever_its_shape():
    one = sent(encode_png(OUTPUT), Transport("jpeg", quality=75, like_source=True))
    assert Image.open(io.BytesIO(one.data)).size == (60, 40)
    assert one.data == saved(Image.fromarray(OUTPUT).resize((60, 40)), "JPEG", quality=75)


@pytest.mark.parametrize(("side", "size"), [(100, (100, 50)), (768, (200, 100))])
def test_a_picture_is_shrunk_to_its_longest_side_and_never_enlarged(side, size):
    one = sent(encode_png(OUTPUT), Transport("jpeg", longest_side=side))
    assert Image.open(io.BytesIO(one.data)).size == size


def turned(kind: str) -> bytes:
    image = Image.fromarray(OUTPUT)
    exif = image.getexif()
    exif[274] = 6
    return saved(image, kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_official_scripts_ignore_an_orientation_and_strict_views_do_not(kind):
    data = turned(kind)
    files = payload(data)
    assert files.needs_normalizing(("output",))
    assert not files.needs_normalizing(("source",))
    for transport in (Transport("png"), Transport("file")):
        assert Image.open(io.BytesIO(sent(data, transport).data)).size == (200, 100)
        assert opened(sent(data, transport, upright=True)).shape == (200, 100, 3)


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_orientation_in_the_text_of_a_png_is_seen(place):
    text = PngImagePlugin.PngInfo()
    packet = '<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    text.add_itxt("XML:com.adobe.xmp", packet)
    data = saved(Image.fromarray(OUTPUT), "PNG", pnginfo=text)
    if place == "after":  # text may also follow the pixels
        plain = encode_png(OUTPUT)
        chunk = data[data.index(b"iTXt") - 4 : data.index(b"IDAT") - 4]
        data = plain[:-12] + chunk + plain[-12:]
    assert payload(data).needs_normalizing(("output",))


def test_what_lies_under_transparency_is_shown_to_official_scripts_only():
    layer = np.dstack([np.full((20, 20, 3), 10, np.uint8), np.zeros((20, 20), np.uint8)])
    data = saved(Image.fromarray(layer), "PNG")
    assert payload(data).needs_normalizing(("source", "output"))
    assert opened(sent(data, Transport("png"))).max() == 10
    assert opened(sent(data, Transport("png"), upright=True)).min() == 255
    assert opened(sent(data, Transport("file"), upright=True)).min() == 255


def test_a_plain_picture_looks_the_same_to_everybody():
    for data in (encode_png(OUTPUT), encode_jpeg(OUTPUT, 90), saved(Image.fromarray(OUTPUT), "BMP")):
        assert not payload(data).needs_normalizing(("source", "output"))


@pytest.mark.parametrize("upright", [True, False])
def test_what_does_not_decode_is_never_sent(upright):
    for broken in (encode_png(OUTPUT)[:2000], b"no picture"):
        with pytest.raises(UnreadableImageError):
            sent(broken, Transport("png"), upright=upright)
