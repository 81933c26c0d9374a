"""All measures of single images that need no training, in the order of their cost."""

from assets.engine.measure import Measure
from assets.measured.codes import CODES
from assets.measured.collage import COLLAGE
from assets.measured.mosaic import MOSAIC
from assets.measured.overlay_text import OVERLAY_TEXT
from assets.measured.pdq import PDQ
from assets.measured.perceptual import PERCEPTUAL
from assets.measured.photometric import PHOTOMETRIC
from assets.measured.privacy_mask import PRIVACY_MASK
from assets.measured.provenance import PROVENANCE
from assets.measured.thumbnail import THUMBNAIL

IMAGE_MEASURES: tuple[Measure, ...] = (
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
"""A new measure is one function and one entry here."""
