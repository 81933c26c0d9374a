"""What OCR read in an image, and where it stands there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from benchmarks.metrics.text.places import boxes_of
from models.common.canonical import read_header

SIDEWAYS = 5
"""EXIF orientation from which width and height of an image are exchanged."""


def upright_size(data: bytes) -> tuple[int, int]:
    """Returns width and height of an image file as a viewer shows it."""
    header = read_header(data)
    return (header.width, header.height) if header.orientation < SIDEWAYS else (header.height, header.width)


class Extent(NamedTuple):
    """Where a text stands, relative to the width and height of its image.

    Attributes:
        centre: (x, y), 0 to 1.
        area: of its lines, as a share of the image.
        line: (width, height) of a square as high as its lines.
    """

    centre: np.ndarray
    area: float
    line: np.ndarray


@dataclass(frozen=True)
class Page:
    """The text of an image.

    Attributes:
        read: `text` and `corners` of each line, in reading order.
        size: width and height of the image in pixels.
    """

    read: Sequence[Mapping[str, Any]]
    size: tuple[int, int]

    @cached_property
    def lines(self) -> list[str]:
        """The texts of the lines."""
        return [line["text"] for line in self.read]

    def extent(self, text: str) -> Extent | None:
        """Returns where a text stands; None where nothing like it is read."""
        boxes = np.array(boxes_of(self.read, [text]), dtype=float).reshape(-1, 4, 2)
        if not len(boxes):
            return None
        across, down = (np.linalg.norm(boxes[:, side] - boxes[:, 0], axis=1) for side in (1, 3))
        size = np.array(self.size, dtype=float)
        height = float(np.minimum(across, down).mean())
        area = float((across * down).sum()) / float(size.prod())
        return Extent(boxes.mean(axis=(0, 1)) / size, area, height / size)
