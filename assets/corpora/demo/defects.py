"""The defects planted in the demo corpus. Each function takes pixels and a generator and returns a file."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import zxingcpp
from PIL import Image

from models.common.canonical import ORIENTATION_TAG
from models.common.lettering import paint, text_mask
from models.common.pixels import encode_jpeg, encode_png, shrink

CLEAN_QUALITY = 95
"""JPEG quality of all images except those with a compression defect."""

MIN_COPY_SIDE = 64
"""Smallest short side of a resized copy, in pixels."""

CANDIDATE_BOXES = 8
"""Random boxes compared for a mosaic or a bar; the one in which the defect is most visible is used."""

MOSAIC_CELLS = 5
"""Fewest cells along each side of a mosaic, if the image is large enough for them."""

MIN_FLAT_LEVEL = 100
"""Lowest level of the brightest channel of a flat image."""

MAX_CLIPPED_SHARE = 0.1
"""Share of samples that a brighter copy may clip; with more it would be overexposed rather than a copy."""

PlantDefect = Callable[[np.ndarray, np.random.Generator], bytes]


class Overlay(NamedTuple):
    """A line of text over an image; centre and height are shares of the image's height."""

    text: str
    centre: float
    height: float
    opacity: float


OVERLAYS = (
    Overlay("SUMMER SALE", 0.86, 0.13, 1.0),
    Overlay("www.example.org", 0.5, 0.12, 0.8),
    Overlay("Photo of the day", 0.14, 0.12, 1.0),
    Overlay("夏季大促销", 0.84, 0.16, 1.0),
    Overlay("SAMPLE", 0.5, 0.2, 0.7),
    Overlay("周末愉快", 0.18, 0.17, 1.0),
    Overlay("LIVE TONIGHT", 0.16, 0.13, 1.0),
    Overlay("© J. Doe 2024", 0.88, 0.12, 0.9),
)

CODES = (
    (zxingcpp.BarcodeFormat.QRCode, "https://example.org/{}"),
    (zxingcpp.BarcodeFormat.EAN8, "{:07d}"),
    (zxingcpp.BarcodeFormat.DataMatrix, "LOT-{:05d}"),
)


def recompressed(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a JPEG copy of quality 30 to 60."""
    return encode_jpeg(pixels, int(generator.integers(30, 61)))


def resized(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a copy at a quarter to half of the size, with a short side of at least 64 pixels."""
    scale = max(generator.uniform(0.25, 0.5), MIN_COPY_SIDE / min(pixels.shape[:2]))
    return _jpeg(shrink(pixels, max(1, round(max(pixels.shape[:2]) * min(scale, 1.0)))))


def cropped(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a crop of 90 % of the area at a random position."""
    height, width = (max(1, round(side * 0.9**0.5)) for side in pixels.shape[:2])
    top = int(generator.integers(0, pixels.shape[0] - height + 1))
    left = int(generator.integers(0, pixels.shape[1] - width + 1))
    return _jpeg(pixels[top : top + height, left : left + width])


def brightness_shift(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a copy that is 20 to 30 % brighter or darker; darker if a brighter one would clip a tenth."""
    change = generator.uniform(0.2, 0.3) * generator.choice((-1, 1))
    burnt = (pixels * (1 + change) >= 255).mean()
    shifted = pixels.astype(np.float32) * (1 + (change if burnt < MAX_CLIPPED_SHARE else -change))
    return _jpeg(_to_levels(shifted))


def mirrored(pixels: np.ndarray, generator: np.random.Generator) -> bytes:  # noqa: ARG001 the signature of PlantDefect
    """Returns a horizontally mirrored copy."""
    return _jpeg(pixels[:, ::-1])


def defocused(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image under a Gaussian blur whose sigma is 3 to 4.5 % of the short side."""
    sigma = generator.uniform(0.03, 0.045) * min(pixels.shape[:2])
    return _jpeg(cv2.GaussianBlur(pixels, (0, 0), sigma))


def underexposed(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image darkened so that 98 % of its pixels are below a level between 24 and 36."""
    brightest = np.quantile(pixels.max(axis=2), 0.98)
    return _jpeg(_to_levels(pixels * (generator.uniform(24, 36) / max(1.0, float(brightest)))))


def overexposed(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image brightened so that 40 to 60 % of its pixels are clipped to white.

    More light multiplies the sensor values; after display gamma it is still a factor, followed by clipping.
    """
    darkest = np.quantile(pixels.min(axis=2), generator.uniform(0.4, 0.6))
    return _jpeg(_to_levels(pixels * (255 / max(2.0, float(darkest)))))


def flat(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns an image of one tone: the mean colour of the source with a faint gradient and faint noise.

    A dark colour is brightened, because a dark flat image would be underexposed as well.
    """
    height, width = pixels.shape[:2]
    slope = np.linspace(-3, 3, width, dtype=np.float32)[None, :, None] * generator.choice((-1, 1))
    colour = pixels.mean(axis=(0, 1))
    colour *= max(1.0, MIN_FLAT_LEVEL / max(1.0, float(colour.max())))
    return _jpeg(_to_levels(colour + slope + generator.normal(0, 0.8, (height, width, 1))))


def noise(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image with Gaussian noise of 45 to 65 levels."""
    return _jpeg(_to_levels(pixels + generator.normal(0, generator.uniform(45, 65), pixels.shape)))


def code(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image with a QR code, an EAN-8 or a Data Matrix of at least 2 pixels for each module.

    If the chosen code is too large for the image, a Data Matrix is used, which is the smallest.
    """
    number = int(generator.integers(100_000))
    plain = _barcode(*CODES[int(generator.integers(len(CODES)))], number)
    if max(plain.shape[0] / pixels.shape[0], plain.shape[1] / pixels.shape[1]) > 0.5:
        plain = _barcode(*CODES[-1], number)
    room = 0.9 * min(pixels.shape[0] / plain.shape[0], pixels.shape[1] / plain.shape[1])
    scale = max(2, min(4, int(room)))
    symbol = np.kron(plain, np.ones((scale, scale), np.uint8))[: pixels.shape[0], : pixels.shape[1]]
    top = int(generator.integers(0, pixels.shape[0] - symbol.shape[0] + 1))
    left = int(generator.integers(0, pixels.shape[1] - symbol.shape[1] + 1))
    edited = pixels.copy()
    edited[top : top + symbol.shape[0], left : left + symbol.shape[1]] = symbol[:, :, None]
    return _jpeg(edited)


def overlay_text(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image with a caption or watermark, in Latin or Chinese script, with an outline."""
    words = OVERLAYS[int(generator.integers(len(OVERLAYS)))]
    height, width = pixels.shape[:2]
    mask = text_mask(words.text, int(width * 0.92), max(14, int(height * words.height)))
    top = int(np.clip(height * words.centre - mask.shape[0] / 2, 1, max(1, height - mask.shape[0] - 1)))
    left = (width - mask.shape[1]) // 2
    outline = cv2.dilate(cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT), np.ones((3, 3), np.uint8))
    edited = paint(pixels, outline, (15, 15, 15), top=top - 2, left=left - 2, opacity=words.opacity)
    return _jpeg(paint(edited, mask, (255, 255, 255), top=top, left=left, opacity=words.opacity))


def mosaic(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image with 20 to 35 % of its area pixelated into squares of 6 to 12 pixels.

    Of several random boxes the one with the most detail is used, because a mosaic on a clear sky could not
    be seen.
    """
    share = generator.uniform(0.2, 0.35)
    side = min(pixels.shape[:2]) * share**0.5
    cell = int(generator.integers(6, max(7, min(12, int(side / MOSAIC_CELLS)) + 1)))
    size = tuple(max(cell, int(length * share**0.5) // cell * cell) for length in pixels.shape[:2])
    boxes = [_random_box(pixels, generator, size) for _ in range(CANDIDATE_BOXES)]
    box = max(boxes, key=lambda box: float(pixels[box].std()))
    block = pixels[box]
    cells = (max(1, block.shape[1] // cell), max(1, block.shape[0] // cell))
    coarse = cv2.resize(block, cells, interpolation=cv2.INTER_AREA)
    edited = pixels.copy()
    squares = np.kron(coarse, np.ones((cell, cell, 1), np.uint8))
    edited[box] = squares[: block.shape[0], : block.shape[1]]
    return _jpeg(edited)


def privacy_bar(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image with a black bar over 50 to 80 % of its width.

    Of several random boxes the brightest is used, because a black bar on a dark area could not be seen.
    """
    height, width = pixels.shape[:2]
    size = round(height * generator.uniform(0.12, 0.2)), round(width * generator.uniform(0.5, 0.8))
    boxes = [_random_box(pixels, generator, size) for _ in range(CANDIDATE_BOXES)]
    edited = pixels.copy()
    edited[max(boxes, key=lambda box: float(pixels[box].mean()))] = 0
    return _jpeg(edited)


def exif_rotated(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns the image stored rotated, with the EXIF orientation tag that rotates it back."""
    orientation, quarter_turns = ((3, 2), (6, 1), (8, 3))[int(generator.integers(3))]
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    buffer = io.BytesIO()
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarter_turns)))
    turned.save(buffer, format="JPEG", quality=CLEAN_QUALITY, subsampling=0, exif=exif)
    return buffer.getvalue()


def truncated(pixels: np.ndarray, generator: np.random.Generator) -> bytes:
    """Returns a file cut after 30 to 80 % of its bytes, as by an interrupted download."""
    whole = encode_png(pixels) if generator.random() < 0.3 else _jpeg(pixels)
    return whole[: int(len(whole) * generator.uniform(0.3, 0.8))]


def not_an_image(pixels: np.ndarray, generator: np.random.Generator) -> bytes:  # noqa: ARG001 the signature of PlantDefect
    """Returns what crawlers really save under an image's name: an error page, an archive, text or nothing."""
    contents = (
        b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not Found</body></html>",
        b"PK\x03\x04" + generator.bytes(600),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + generator.bytes(32).hex().encode(),
        b"",
        generator.bytes(2048),
    )
    return contents[int(generator.integers(len(contents)))]


def collage(images: Sequence[np.ndarray], generator: np.random.Generator) -> bytes:
    """Returns a 2x2 collage of four images, with a white or black gap of 0 to 4 pixels."""
    side = max(MIN_COPY_SIDE, max(image.shape[0] for image in images) // 4 * 3)
    gap = int(generator.choice((0, 2, 4)))
    sheet = np.full((2 * side + gap, 2 * side + gap, 3), int(generator.choice((0, 255))), np.uint8)
    for number, image in enumerate(images[:4]):
        y, x = (number // 2) * (side + gap), (number % 2) * (side + gap)
        sheet[y : y + side, x : x + side] = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return _jpeg(sheet)


def seam_contrast(images: Sequence[np.ndarray]) -> float:
    """Returns the mean difference in levels across the least visible of the four seams of a collage."""
    first, second, third, fourth = (_square(image).astype(np.int16) for image in images[:4])
    side_by_side = ((first, second), (third, fourth))
    one_above_other = ((first, third), (second, fourth))
    differences = [np.abs(left[:, -1] - right[:, 0]).mean() for left, right in side_by_side]
    differences += [np.abs(upper[-1] - lower[0]).mean() for upper, lower in one_above_other]
    return float(min(differences))


def _square(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (MIN_COPY_SIDE, MIN_COPY_SIDE), interpolation=cv2.INTER_AREA)


COPIES: Mapping[str, PlantDefect] = {
    "recompressed": recompressed,
    "resized": resized,
    "cropped": cropped,
    "brightness_shift": brightness_shift,
    "mirrored": mirrored,
}
"""Near-duplicates of images in the corpus; `exact_copy` needs no function."""

DEGRADED: Mapping[str, PlantDefect] = {
    "blur": defocused,
    "underexposed": underexposed,
    "overexposed": overexposed,
    "noise": noise,
    "code": code,
    "overlay_text": overlay_text,
    "mosaic": mosaic,
    "privacy_bar": privacy_bar,
    "exif_rotated": exif_rotated,
}
"""Defects planted in images that are not in the corpus unchanged; otherwise they would be copies of these."""

BROKEN: Mapping[str, PlantDefect] = {"flat": flat, "truncated": truncated, "not_an_image": not_an_image}
"""Files that show nothing of their source, so any image can be the source."""


def _jpeg(pixels: np.ndarray) -> bytes:
    return encode_jpeg(np.ascontiguousarray(pixels), CLEAN_QUALITY)


def _to_levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _barcode(format_: zxingcpp.BarcodeFormat, payload: str, number: int) -> np.ndarray:
    """Returns a code with one pixel for each module and a quiet zone around it."""
    barcode = zxingcpp.create_barcode(payload.format(number), format_)
    return np.array(zxingcpp.write_barcode_to_image(barcode, scale=1))


def _random_box(
    pixels: np.ndarray, generator: np.random.Generator, size: tuple[int, ...]
) -> tuple[slice, slice]:
    """Returns the rows and columns of a random box of the given size in the image."""
    (height, width), (high, wide) = pixels.shape[:2], size
    top = int(generator.integers(0, max(1, height - high + 1)))
    left = int(generator.integers(0, max(1, width - wide + 1)))
    return slice(top, min(height, top + high)), slice(left, min(width, left + wide))
