"""A suite of photographs-like pictures with known edits, and editors that need no model."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.item import BenchItem, known_truth, picture_of_pixels
from models.codecs.patch_codec import PatchCodec, fit_patch_codec
from models.common.seeding import numpy_generator

EDITS = {
    "darken": ("lowlevel", "Darken the picture.", lambda pixels: pixels // 2),
    "invert": ("color", "把颜色反转。", lambda pixels: 255 - pixels),
    "mirror": (
        "adjust",
        "Mirror <the> picture & keep it.",
        lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    ),
}


def picture(key: str, height: int = 32, width: int = 32) -> np.ndarray:
    """Returns smooth random colours (height, width, 3) uint8."""
    small = numpy_generator(0, "picture", key).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def items(count: int = 4, height: int = 32, width: int = 32) -> list[BenchItem]:
    """Returns `count` items of each edit."""
    made = []
    for kind, (category, instruction, edit) in EDITS.items():
        for number in range(count):
            source = picture(f"{kind}{number}", height, width)
            held = (picture_of_pixels("source", source), picture_of_pixels("truth", edit(source)))
            made.append(BenchItem(f"{kind}-{number}", kind, category, instruction, held[:1], held[1]))
    return made


def codec() -> PatchCodec:
    """Returns a codec fitted on such pictures."""
    pixels = np.stack([picture(f"codec{number}") for number in range(12)])
    return fit_patch_codec(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1, patch=8, channels=16
    )


class BlendEditor:
    """Gives the truth mixed with the source: 1 is the truth, 0 is copying."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.settings: dict[str, Any] = {"share": share}
        self.batches: list[list[str]] = []

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        self.batches.append([item.sample_id for item in items])
        mixed = [
            self.share * known_truth(item) + (1 - self.share) * item.sources[0].pixels() for item in items
        ]
        return [pixels.round().astype(np.uint8) for pixels in mixed]


def load(name, data, lang="en", images=None):
    return load_suite(name, data=data, images=images, lang=lang)
