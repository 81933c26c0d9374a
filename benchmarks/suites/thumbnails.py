"""Thumbnails of images by the content of their files, so that each file is decoded only once."""

import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from models.common.pixels import decode, encode_jpeg, shrink
from models.common.processes import process_pool

LARGE = 256
"""Long side in pixels of a stored thumbnail."""

STORED_QUALITY = 90
"""JPEG, which is written nine times as fast as WebP; a page's images are made of these, and smaller."""


MANY = 300
"""Files from which processes are worth their start, about two seconds each."""

MAX_WORKERS = 8


class DecoderDiedError(RuntimeError):
    """A process that decodes images died: it ran out of memory, or an image is malicious."""


class ThumbnailCache:
    """A folder of JPEG files named by the SHA-256 of what they show."""

    def __init__(self, folder: Path, workers: Executor | None = None) -> None:
        """Makes the folder if it is missing.

        Args:
            folder: of the files.
            workers: where images are decoded, from `decoding_workers`; None: here.
        """
        self._folder, self._workers = folder, workers
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, data: bytes) -> str:
        """Returns the SHA-256 of an image file, of which a thumbnail is stored now.

        Raises:
            UnreadableImageError: the file does not decode to its last pixel.
            DecoderDiedError: the process that decoded this file, or one beside it, died.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if not path.exists():
            made = self._made(data)
            # Not synced to disk, unlike other files: thousands are written, and a lost one is made again.
            unfinished = path.with_suffix(f".{uuid.uuid4().hex}")
            unfinished.write_bytes(made)
            unfinished.replace(path)
        return digest

    def read(self, digest: str) -> np.ndarray:
        """Returns the pixels (H, W, 3) uint8 of a stored thumbnail, at most 256 a side."""
        with Image.open(self._path(digest)) as image:
            return np.asarray(image.convert("RGB"))

    def _made(self, data: bytes) -> bytes:
        if self._workers is None:
            return thumbnail_of(data)
        try:
            return self._workers.submit(thumbnail_of, data).result()
        except BrokenProcessPool as error:
            raise DecoderDiedError(
                "A process that decodes images died, probably because memory ran out. Every reply so far is "
                "kept: run again. If that does not help, look for an image that is very large or broken."
            ) from error

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.jpg"


@contextmanager
def decoding_workers(files: int) -> Iterator[Executor | None]:
    """Yields processes that decode images, None where there are too few files to start any.

    Pillow decodes under Python's global lock, so threads would decode one image after the other.

    Args:
        files: how many will be decoded.
    """
    if files < MANY:
        yield None
        return
    count = min(os.cpu_count() or 1, MAX_WORKERS)
    with process_pool(count, partial(cv2.setNumThreads, 1)) as workers:
        yield workers


def thumbnail_of(data: bytes) -> bytes:
    """Returns the thumbnail of an image file.

    Raises:
        UnreadableImageError: the file does not decode to its last pixel.
    """
    return encode_jpeg(decode(data, LARGE), STORED_QUALITY)


def encode_webp(pixels: np.ndarray, quality: int) -> bytes:
    """Returns pixels (H, W, 3) uint8 as a WebP file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="WEBP", quality=quality, method=2)
    return stream.getvalue()


def fitted_webp(pixels: np.ndarray, *, side: int, max_bytes: int) -> bytes:
    """Returns a WebP file of at most so many bytes, by quality first, then by size.

    Args:
        pixels: (H, W, 3) uint8.
        side: longest side to begin with, in pixels.
        max_bytes: the limit; a file of 16 pixels a side is given however large it is.
    """
    while True:
        small = shrink(pixels, side)
        for quality in (75, 55, 35):
            data = encode_webp(small, quality)
            if len(data) <= max_bytes:
                return data
        if side <= 16:
            return data
        side = side * 3 // 4
