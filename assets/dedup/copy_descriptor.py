"""Trains the copy descriptor on thumbnails of the corpus and summarizes how well it separates images."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from assets.dedup.cells import component_roots, merge_components
from assets.engine.measure import ImageMeasure, read_measures
from assets.lake.ids import content_id, digest
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR
from assets.lake.schemas import RECORDS
from assets.lake.steps import StepOutput
from assets.measured.pdq import PDQ, dihedral_distances, unpack_hashes
from assets.measured.thumbnail import THUMBNAIL
from models.common.fields import identity_of
from models.common.progress import Progress
from models.common.thumbnail import squares_from_bytes
from trainers.small.config import DescriptorTrainingConfig

TRAINED = f"{COPY_DESCRIPTOR}/trained.json"
"""Settings and files of the trained descriptor."""

PDQ_COPY_DISTANCE = 31
"""Bits of 256 up to which the authors of PDQ count two images as the same."""

MAX_COMPARED_IMAGES = 2000
QUANTILES = (0.05, 0.5, 0.9, 0.99)


def train_copy_descriptor(
    lake: Lake, shards: Sequence[str], config: DescriptorTrainingConfig, progress: Progress
) -> StepOutput:
    """Trains the copy descriptor on the corpus's training images and writes it to `models/copy_descriptor`.

    It is pinned: with the same settings it is trained once, whatever images come later, so that a new batch
    is embedded alone. `emberline run --force copy_descriptor` trains it again.

    Duplicates that PDQ finds are omitted, because training would push two copies of one photograph apart.
    Held-out images are omitted, so that they can calibrate the threshold.

    Args:
        lake: holds the image shards, measured with PDQ and THUMBNAIL.
        shards: those of the ingested images.
        config: settings of the training.
        progress: called after each step.
    """
    from models.descriptors.copy_descriptor import save_descriptor
    from trainers.small.descriptor import train_descriptor
    from trainers.small.resumable import forget_checkpoint

    pinned = pinned_descriptor(lake, config)
    if pinned is not None:
        return pinned
    images = training_images(lake, shards, config)
    folder = lake.local_path(COPY_DESCRIPTOR)
    model = train_descriptor(images, config, folder, progress)
    paths = save_descriptor(model, folder)
    forget_checkpoint(folder)
    files = {f"{COPY_DESCRIPTOR}/{path.name}": content_id(path.read_bytes()) for path in paths}
    record = {"settings": identity_of(config), "images": len(images), "files": files}
    lake.write_checked(TRAINED, record)
    return StepOutput((*files, TRAINED), len(images), _facts(len(images), config, trained_before=False))


def pinned_descriptor(lake: Lake, config: DescriptorTrainingConfig) -> StepOutput | None:
    """Returns the descriptor that was trained before; None if there is none with these settings."""
    record = lake.read_checked(TRAINED)
    if record is None or digest(record["settings"]) != digest(identity_of(config)):
        return None
    for path, content in record["files"].items():
        if lake.size_or_none(path) is None or content_id(lake.read_bytes(path)) != content:
            return None
    facts = _facts(record["images"], config, trained_before=True)
    return StepOutput((*record["files"], TRAINED), record["images"], facts)


def _facts(images: int, config: DescriptorTrainingConfig, *, trained_before: bool) -> dict[str, object]:
    return {"images": images, "steps": config.steps, "trained_before": trained_before}


def training_images(lake: Lake, shards: Sequence[str], config: DescriptorTrainingConfig) -> np.ndarray:
    """Returns (N, 64, 64, 3) thumbnails of training images by id, one for each group of PDQ duplicates.

    If the corpus has fewer than two training images, held-out images are used as well.
    """
    records = lake.read_tables("records", RECORDS).drop_nulls("image_id")
    measured = read_measures(lake, [PDQ, THUMBNAIL], shards).drop_nulls(["pdq.hashes", "thumbnail.squeezed"])
    measured = measured.filter(pl.col("id").is_in(records["image_id"].implode()))
    training = records.filter(pl.col("split") == "train")["image_id"].implode()
    chosen = measured.filter(pl.col("id").is_in(training))
    if chosen.height < 2:
        chosen = measured
    chosen = chosen.head(config.max_images)
    bits = unpack_hashes(chosen["pdq.hashes"].to_list())
    distances = dihedral_distances(bits, bits)
    left, right = np.nonzero(np.triu(distances <= PDQ_COPY_DISTANCE, 1))
    parents = np.arange(chosen.height, dtype=np.uint32)
    merge_components(parents, left, right)
    first = component_roots(parents, np.arange(chosen.height)) == np.arange(chosen.height)
    return squares_from_bytes(chosen.filter(pl.Series(first))["thumbnail.squeezed"].to_list())


def nearest_similarities(
    lake: Lake, shards: Sequence[str], descriptor: ImageMeasure
) -> list[dict[str, float]]:
    """Returns quantiles of the cosine of each image and its nearest other image, over at most 2,000 images.

    The first images by id are a random sample, because ids are hashes. Copies are at the upper end. If the
    median is near 1, the descriptor does not separate images.
    """
    vectors = read_measures(lake, [descriptor], shards).drop_nulls("descriptor.vector")["descriptor.vector"]
    if len(vectors) < 2:
        return []
    compared = np.array(vectors.head(MAX_COMPARED_IMAGES).to_list(), np.float32)
    cosines = compared @ compared.T
    np.fill_diagonal(cosines, -1.0)
    nearest = cosines.max(axis=1)
    return [
        {"quantile": share, "cosine": round(float(np.quantile(nearest, share)), 4)} for share in QUANTILES
    ]
