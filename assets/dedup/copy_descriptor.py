"""What deduplication sees of an image: a thumbnail, and the vector of a descriptor trained on the corpus."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from assets.dedup.cells import merge, roots
from assets.engine.measure import Measure, read_measures
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR
from assets.lake.schemas import RECORDS
from assets.lake.steps import StepOutput
from assets.measured.pdq import PDQ, dihedral_distances, unpack_hashes
from assets.measured.thumbnail import THUMBNAIL
from models.common.progress import Progress
from models.common.thumbnail import from_bytes
from trainers.small.config import DescriptorTrainingConfig

KNOWN_COPY = 31
"""Bits of 256 up to which PDQ's authors call two images the same."""

SHOWN_IMAGES = 2000
QUANTILES = (0.05, 0.5, 0.9, 0.99)


def train_copy_descriptor(
    lake: Lake, shards: Sequence[str], config: DescriptorTrainingConfig, progress: Progress
) -> StepOutput:
    """Trains the copy descriptor on the corpus's training images and writes it to `models/copy_descriptor`.

    Duplicates that PDQ knows are left out: two of one photograph would be taught to repel each other.
    Held-out images are left out too, so that they can calibrate the threshold.

    Args:
        lake: holds the image shards, measured with PDQ and THUMBNAIL.
        shards: those of the ingested images.
        config: the training's settings.
        progress: called after each step.
    """
    from models.descriptors.copy_descriptor import save_descriptor
    from trainers.small.descriptor import train_descriptor
    from trainers.small.resumable import forget_checkpoint

    images = training_images(lake, shards, config)
    folder = lake.local_path(COPY_DESCRIPTOR)
    model = train_descriptor(images, config, folder, progress)
    paths = save_descriptor(model, folder)
    forget_checkpoint(folder)
    return StepOutput(
        files=tuple(f"{COPY_DESCRIPTOR}/{path.name}" for path in paths),
        rows=len(images),
        facts={"images": len(images), "steps": config.steps},
    )


def training_images(lake: Lake, shards: Sequence[str], config: DescriptorTrainingConfig) -> np.ndarray:
    """Returns (N, 64, 64, 3) thumbnails of training images, one of each that PDQ takes for copies, by id.

    Where the corpus has fewer than two training images, those held out are taken as well.
    """
    records = lake.read_tables("records", RECORDS).drop_nulls("image_id")
    measured = read_measures(lake, [PDQ, THUMBNAIL], shards).drop_nulls(["pdq.hashes", "thumbnail.squeezed"])
    training = records.filter(pl.col("split") == "train")["image_id"].implode()
    chosen = measured.filter(pl.col("id").is_in(training))
    if chosen.height < 2:
        chosen = measured
    chosen = chosen.head(config.max_images)
    bits = unpack_hashes(chosen["pdq.hashes"].to_list())
    distances = dihedral_distances(bits, bits)
    left, right = np.nonzero(np.triu(distances <= KNOWN_COPY, 1))
    parents = np.arange(chosen.height, dtype=np.uint32)
    merge(parents, left, right)
    first = roots(parents, np.arange(chosen.height)) == np.arange(chosen.height)
    return from_bytes(chosen.filter(pl.Series(first))["thumbnail.squeezed"].to_list())


def nearest_similarities(lake: Lake, shards: Sequence[str], descriptor: Measure) -> list[dict[str, float]]:
    """Returns how near the nearest other image is, as quantiles of the cosine over at most 2,000 images.

    The first by id are a fair draw, since ids are hashes. Copies are at the upper end; a corpus whose middle
    is near 1 has a descriptor that tells nothing apart.
    """
    vectors = read_measures(lake, [descriptor], shards).drop_nulls("descriptor.vector")["descriptor.vector"]
    if len(vectors) < 2:
        return []
    shown = np.array(vectors.head(SHOWN_IMAGES).to_list(), np.float32)
    cosines = shown @ shown.T
    np.fill_diagonal(cosines, -1.0)
    nearest = cosines.max(axis=1)
    return [
        {"quantile": share, "cosine": round(float(np.quantile(nearest, share)), 4)} for share in QUANTILES
    ]
