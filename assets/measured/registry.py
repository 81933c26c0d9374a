"""All measures of single images that need no training, in the order of their cost."""

from assets.dedup.embed import THUMBNAIL
from assets.dedup.pdq import PDQ
from assets.engine.measure import Measure
from assets.filtered.codes import CODES
from assets.filtered.collage import COLLAGE
from assets.filtered.mosaic import MOSAIC
from assets.filtered.overlay_text import OVERLAY_TEXT
from assets.filtered.perceptual import PERCEPTUAL
from assets.filtered.photometric import PHOTOMETRIC
from assets.filtered.privacy_mask import PRIVACY_MASK
from assets.filtered.provenance import PROVENANCE

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
