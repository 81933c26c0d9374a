"""PDQ: a 256-bit perceptual hash in all eight orientations, and the distances between such hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pdqhash
import polars as pl

from assets.engine.measure import Measure, each

BITS = 256
ORIENTATIONS = 8

THUMBNAIL = 64
"""Pixels of the side that is hashed. At PDQ's own 64 px its decimation is exact, so the hash of a turned
image equals the turned hash; from 128 px they differ by 22 bits in the median (60 photographs)."""


def measure_pdq(image: np.ndarray) -> Mapping[str, Any]:
    """Returns `hashes`, 8 hex strings of 64 digits, and `quality`, 0 to 100, of an (H, W, 3) image.

    The first hash is that of the upright image; the others are those of its turned and mirrored versions.
    Source: PDQ of ThreatExchange: images match at 31 bits or fewer; a quality below 50 says little.
    """
    enlarged = min(image.shape[:2]) < THUMBNAIL
    interpolation = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
    thumbnail = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=interpolation)
    hashes, quality = pdqhash.compute_dihedral(thumbnail)
    return {"hashes": [np.packbits(bits).tobytes().hex() for bits in hashes], "quality": int(quality)}


def unpack_hashes(hashes: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns the bits of measured hashes, (N, 8, 256) uint8."""
    packed = np.frombuffer(bytes.fromhex("".join("".join(turns) for turns in hashes)), np.uint8)
    return np.unpackbits(packed.reshape(len(hashes), ORIENTATIONS, BITS // 8), axis=-1)


def dihedral_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the Hamming distance of each pair in its best orientation.

    Args:
        left: bits, (N, 8, 256).
        right: bits, (M, 8, 256), of which only the upright hash is used.

    Returns:
        (N, M) int16, 0 to 256 bits.
    """
    upright = _signs(right[:, 0])
    agreement = np.full((len(left), len(right)), -BITS, np.float32)
    for turn in range(ORIENTATIONS):
        np.maximum(agreement, _signs(left[:, turn]) @ upright.T, out=agreement)
    return ((BITS - agreement) / 2).astype(np.int16)


def _signs(bits: np.ndarray) -> np.ndarray:
    return bits.astype(np.float32) * 2 - 1


PDQ = Measure(
    name="pdq",
    version="1",
    long_side=512,
    columns={"hashes": pl.List(pl.String()), "quality": pl.Int64()},
    run=each(measure_pdq),
)
