"""The defects that the demo plants in its corpus: each a function from pixels and a generator to a file."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import zxingcpp
from PIL import Image

from models.common.lettering import paint, text_mask
from models.common.pixels import ORIENTATION_TAG, encode_jpeg, encode_png, shrink

CLEAN_QUALITY = 95
"""JPEG quality of every picture that is not itself a compression defect."""

SMALLEST_COPY = 64
"""Pixels of the short side below which a resized copy does not go."""

PLACES = 8
"""Tried for a mosaic or a bar, of which one is taken where it shows."""

MOSAIC_CELLS = 5
"""Along each side of a mosaic at least, where the picture has room for them."""

LIT_WALL = 100
"""Levels of the brightest channel of a flat picture, at least."""

BURNT_SHARE = 0.1
"""Of all samples; a copy that loses more of them is an overexposed picture rather than a copy."""

Plant = Callable[[np.ndarray, np.random.Generator], bytes]


class Words(NamedTuple):
    """A line laid over a picture: what it says and where (share of the height), how large and how solid."""

    text: str
    centre: float
    height: float
    opacity: float


OVERLAYS = (
    Words("SUMMER SALE", 0.86, 0.13, 1.0),
    Words("www.example.org", 0.5, 0.12, 0.8),
    Words("Photo of the day", 0.14, 0.12, 1.0),
    Words("夏季大促销", 0.84, 0.16, 1.0),
    Words("SAMPLE", 0.5, 0.2, 0.7),
    Words("周末愉快", 0.18, 0.17, 1.0),
    Words("LIVE TONIGHT", 0.16, 0.13, 1.0),
    Words("© J. Doe 2024", 0.88, 0.12, 0.9),
)

CODES = (
    (zxingcpp.BarcodeFormat.QRCode, "https://example.org/{}"),
    (zxingcpp.BarcodeFormat.EAN8, "{:07d}"),
    (zxingcpp.BarcodeFormat.DataMatrix, "LOT-{:05d}"),
)


def recompressed(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a copy as JPEG of quality 30 to 60."""
    return encode_jpeg(pixels, int(generator.integers(30, 61)))


def resized(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a copy at a quarter to half of the size, its short side not below 64 pixels."""
    scale = max(generator.uniform(0.25, 0.5), SMALLEST_COPY / min(pixels.shape[:2]))
    return _jpeg(shrink(pixels, max(1, round(max(pixels.shape[:2]) * min(scale, 1.0)))))


def cropped(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a copy of 90 % of the area, cut somewhere inside."""
    height, width = (max(1, round(side * 0.9**0.5)) for side in pixels.shape[:2])
    top = int(generator.integers(0, pixels.shape[0] - height + 1))
    left = int(generator.integers(0, pixels.shape[1] - width + 1))
    return _jpeg(pixels[top : top + height, left : left + width])


def brightness_shift(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a copy that is 20 to 30 % brighter or darker; darker where brighter would burn out a tenth."""
    change = generator.uniform(0.2, 0.3) * generator.choice((-1, 1))
    burnt = (pixels * (1 + change) >= 255).mean()
    shifted = pixels.astype(np.float32) * (1 + (change if burnt < BURNT_SHARE else -change))
    return _jpeg(_rounded(shifted))


def mirrored(pixels: np.ndarray, generator: np.random.Generator) -> bytes:  # noqa: ARG001 every plant is called alike
    """Returns a copy with left and right exchanged."""
    return _jpeg(pixels[:, ::-1])


def blur(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture out of focus: a Gaussian of 3 to 4.5 % of the short side."""
    sigma = generator.uniform(0.03, 0.045) * min(pixels.shape[:2])
    return _jpeg(cv2.GaussianBlur(pixels, (0, 0), sigma))


def underexposed(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture with so little light that 98 % of it lies below 24 to 36 levels."""
    brightest = np.quantile(pixels.max(axis=2), 0.98)
    return _jpeg(_rounded(pixels * (generator.uniform(24, 36) / max(1.0, float(brightest)))))


def overexposed(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture with so much light that half of it, give or take a tenth, is burnt out to white.

    More light multiplies what a sensor reads; behind a display gamma that is a factor too, with clipping.
    """
    darkest = np.quantile(pixels.min(axis=2), generator.uniform(0.4, 0.6))
    return _jpeg(_rounded(pixels * (255 / max(2.0, float(darkest)))))


def flat(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a wall of the picture's mean colour: a faint gradient with faint noise, nothing else.

    A dark colour is lit up: a wall in the dark would be an underexposed picture as well.
    """
    height, width = pixels.shape[:2]
    slope = np.linspace(-3, 3, width, dtype=np.float32)[None, :, None] * generator.choice((-1, 1))
    colour = pixels.mean(axis=(0, 1))
    colour *= max(1.0, LIT_WALL / max(1.0, float(colour.max())))
    return _jpeg(_rounded(colour + slope + generator.normal(0, 0.8, (height, width, 1))))


def noise(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture under Gaussian noise of 45 to 65 levels."""
    return _jpeg(_rounded(pixels + generator.normal(0, generator.uniform(45, 65), pixels.shape)))


def code(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture with a QR code, an EAN-8 or a Data Matrix on it, at least 2 pixels a module.

    Where the one that was drawn is too large, it is the Data Matrix, which is the smallest.
    """
    number = int(generator.integers(100_000))
    plain = _symbol(*CODES[int(generator.integers(len(CODES)))], number)
    if max(plain.shape[0] / pixels.shape[0], plain.shape[1] / pixels.shape[1]) > 0.5:
        plain = _symbol(*CODES[-1], number)
    room = 0.9 * min(pixels.shape[0] / plain.shape[0], pixels.shape[1] / plain.shape[1])
    scale = max(2, min(4, int(room)))
    symbol = np.kron(plain, np.ones((scale, scale), np.uint8))[: pixels.shape[0], : pixels.shape[1]]
    top = int(generator.integers(0, pixels.shape[0] - symbol.shape[0] + 1))
    left = int(generator.integers(0, pixels.shape[1] - symbol.shape[1] + 1))
    marked = pixels.copy()
    marked[top : top + symbol.shape[0], left : left + symbol.shape[1]] = symbol[:, :, None]
    return _jpeg(marked)


def overlay_text(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture with a caption or watermark, in Latin or Chinese script, with an outline."""
    words = OVERLAYS[int(generator.integers(len(OVERLAYS)))]
    height, width = pixels.shape[:2]
    mask = text_mask(words.text, int(width * 0.92), max(14, int(height * words.height)))
    top = int(np.clip(height * words.centre - mask.shape[0] / 2, 1, max(1, height - mask.shape[0] - 1)))
    left = (width - mask.shape[1]) // 2
    outline = cv2.dilate(cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT), np.ones((3, 3), np.uint8))
    marked = paint(pixels, outline, (15, 15, 15), top=top - 2, left=left - 2, opacity=words.opacity)
    return _jpeg(paint(marked, mask, (255, 255, 255), top=top, left=left, opacity=words.opacity))


def mosaic(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture with 20 to 35 % of its area pixelated into squares of 6 to 12 pixels.

    Of several places the one with the most detail is taken: a mosaic hides something, and on a clear sky
    it could not be seen itself.
    """
    share = generator.uniform(0.2, 0.35)
    side = min(pixels.shape[:2]) * share**0.5
    cell = int(generator.integers(6, max(7, min(12, int(side / MOSAIC_CELLS)) + 1)))
    size = tuple(max(cell, int(length * share**0.5) // cell * cell) for length in pixels.shape[:2])
    places = [_place(pixels, generator, size) for _ in range(PLACES)]
    place = max(places, key=lambda place: float(pixels[place].std()))
    block = pixels[place]
    cells = (max(1, block.shape[1] // cell), max(1, block.shape[0] // cell))
    coarse = cv2.resize(block, cells, interpolation=cv2.INTER_AREA)
    marked = pixels.copy()
    squares = np.kron(coarse, np.ones((cell, cell, 1), np.uint8))
    marked[place] = squares[: block.shape[0], : block.shape[1]]
    return _jpeg(marked)


def privacy_bar(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture with a black bar across 50 to 80 % of its width, over the brightest of some places.

    In the dark, nothing would have to be hidden, and the bar could not be seen.
    """
    height, width = pixels.shape[:2]
    size = round(height * generator.uniform(0.12, 0.2)), round(width * generator.uniform(0.5, 0.8))
    places = [_place(pixels, generator, size) for _ in range(PLACES)]
    marked = pixels.copy()
    marked[max(places, key=lambda place: float(pixels[place].mean()))] = 0
    return _jpeg(marked)


def exif_rotated(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the picture stored on its side or head, with the EXIF tag that sets it upright again."""
    orientation, quarter_turns = ((3, 2), (6, 1), (8, 3))[int(generator.integers(3))]
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    buffer = io.BytesIO()
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarter_turns)))
    turned.save(buffer, format="JPEG", quality=CLEAN_QUALITY, subsampling=0, exif=exif)
    return buffer.getvalue()


def truncated(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a file that ends after 30 to 80 % of its bytes, as after a broken download."""
    whole = encode_png(pixels) if generator.random() < 0.3 else _jpeg(pixels)
    return whole[: int(len(whole) * generator.uniform(0.3, 0.8))]


def not_an_image(pixels: np.ndarray, generator: np.random.Generator) -> bytes:  # noqa: ARG001 as above
    """Returns what crawls really save under a picture's name: an error page, an archive, text, nothing."""
    contents = (
        b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not Found</body></html>",
        b"PK\x03\x04" + generator.bytes(600),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + generator.bytes(32).hex().encode(),
        b"",
        generator.bytes(2048),
    )
    return contents[int(generator.integers(len(contents)))]


def collage(pictures: Sequence[np.ndarray], generator: np.random.Generator) -> bytes:
    """Returns four pictures as one, two by two, with a white or black gap of 0 to 4 pixels."""
    side = max(SMALLEST_COPY, max(picture.shape[0] for picture in pictures) // 4 * 3)
    gap = int(generator.choice((0, 2, 4)))
    sheet = np.full((2 * side + gap, 2 * side + gap, 3), int(generator.choice((0, 255))), np.uint8)
    for number, picture in enumerate(pictures[:4]):
        y, x = (number // 2) * (side + gap), (number % 2) * (side + gap)
        sheet[y : y + side, x : x + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return _jpeg(sheet)


def seam_contrast(pictures: Sequence[np.ndarray]) -> float:
    """Returns by how many levels four pictures differ, in the mean, along their least visible seam."""
    first, second, third, fourth = (_square(picture).astype(np.int16) for picture in pictures[:4])
    upright = ((first, second), (third, fourth))
    lying = ((first, third), (second, fourth))
    differences = [np.abs(left[:, -1] - right[:, 0]).mean() for left, right in upright]
    differences += [np.abs(upper[-1] - lower[0]).mean() for upper, lower in lying]
    return float(min(differences))


def _square(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SMALLEST_COPY, SMALLEST_COPY), interpolation=cv2.INTER_AREA)


COPIES: Mapping[str, Plant] = {
    "recompressed": recompressed,
    "resized": resized,
    "cropped": cropped,
    "brightness_shift": brightness_shift,
    "mirrored": mirrored,
}
"""Near-duplicates of pictures that are in the corpus; `exact_copy` needs no function."""

SPOILED: Mapping[str, Plant] = {
    "blur": blur,
    "underexposed": underexposed,
    "overexposed": overexposed,
    "noise": noise,
    "code": code,
    "overlay_text": overlay_text,
    "mosaic": mosaic,
    "privacy_bar": privacy_bar,
    "exif_rotated": exif_rotated,
}
"""Defects of pictures that are not in the corpus otherwise: their clean source would make them its copies."""

BROKEN: Mapping[str, Plant] = {"flat": flat, "truncated": truncated, "not_an_image": not_an_image}
"""Files in which nothing of the picture can be seen, so any picture may be the pattern for one."""


def _jpeg(pixels: np.ndarray) -> bytes:
    return encode_jpeg(np.ascontiguousarray(pixels), CLEAN_QUALITY)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _symbol(format_: zxingcpp.BarcodeFormat, payload: str, number: int) -> np.ndarray:
    """Returns a code with a pixel a module, its quiet zone around it."""
    barcode = zxingcpp.create_barcode(payload.format(number), format_)
    return np.array(zxingcpp.write_barcode_to_image(barcode, scale=1))


def _place(pixels: np.ndarray, generator: np.random.Generator, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Returns the rows and columns of a random box of this size in the picture."""
    (height, width), (high, wide) = pixels.shape[:2], size
    top = int(generator.integers(0, max(1, height - high + 1)))
    left = int(generator.integers(0, max(1, width - wide + 1)))
    return slice(top, min(height, top + high)), slice(left, min(width, left + wide))
