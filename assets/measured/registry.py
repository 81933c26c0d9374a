"""The measures of single images: those that need no training, and the one of the trained descriptor."""

from functools import partial
from pathlib import Path

import polars as pl

from assets.engine.measure import ImageMeasure
from assets.measured.codes import CODES
from assets.measured.collage import COLLAGE
from assets.measured.dimensions import DIMENSIONS
from assets.measured.mosaic import MOSAIC
from assets.measured.overlay_text import OVERLAY_TEXT
from assets.measured.pdq import PDQ
from assets.measured.perceptual import PERCEPTUAL
from assets.measured.photometric import PHOTOMETRIC
from assets.measured.privacy_mask import PRIVACY_MASK
from assets.measured.provenance import PROVENANCE
from assets.measured.thumbnail import THUMBNAIL

IMAGE_MEASURES: tuple[ImageMeasure, ...] = (
    DIMENSIONS,
    PROVENANCE,
    PDQ,
    THUMBNAIL,
    PHOTOMETRIC,
    PRIVACY_MASK,
    COLLAGE,
    CODES,
    PERCEPTUAL,
    MOSAIC,
    OVERLAY_TEXT,
)
"""The measures that need no training, cheapest first. A new measure is one function and one entry here."""


def descriptor_measure(folder: Path) -> ImageMeasure:
    """Returns the measure `descriptor` of a trained copy descriptor; new weights are a new version."""
    from models.descriptors.copy_descriptor import describe_images, weights_digest

    digest = weights_digest(folder)
    return ImageMeasure(
        name="descriptor",
        version=digest,
        long_side=THUMBNAIL.long_side,
        columns={"vector": pl.List(pl.Float32())},
        run=partial(describe_images, folder, digest),
    )
