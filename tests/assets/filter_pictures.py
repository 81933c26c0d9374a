"""Real photographs for the filters' tests, and what cameras, editors and codecs do to them."""

import io

import cv2
import numpy as np
from PIL import Image

from assets.corpora.demo.photographs import built_in_photographs
from models.common.pixels import decode

PHOTOGRAPHS: dict[str, np.ndarray] = {
    photograph.name: decode(photograph.data, 512) for photograph in built_in_photographs()
}
"""The ten photographs that travel in wheels, by file name, at 512 pixels."""

ORDINARY = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "china.jpg", "flower.jpg")
"""Those that a camera took of things of everyday size."""


def ordinary() -> list[np.ndarray]:
    return [PHOTOGRAPHS[name] for name in ORDINARY]


def recompressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    """The picture after JPEG as cameras and the web write it, with halved colour resolution."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return np.array(Image.open(buffer))


def scaled(pixels: np.ndarray, factor: float) -> np.ndarray:
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=interpolation)


def noisy(pixels: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(pixels, (0, 0), sigma)
