"""Trains the copy descriptor on the corpus itself (SSCD, Pizzi et al., 2022) and calibrates its threshold."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from models.common.fields import identity_of
from models.common.progress import Progress
from models.common.seeding import derived_seed, numpy_generator, torch_generator
from models.descriptors.copy_descriptor import CopyDescriptor, new_descriptor, to_input
from trainers.small.config import DescriptorTrainingConfig
from trainers.small.copy_augmentations import augment
from trainers.small.resumable import Optimization, train_resumably


class TooFewTrainingImagesError(ValueError):
    """The copy descriptor needs at least two training images.

    Attributes:
        count: number of images that were given.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"The copy descriptor needs at least two training images, but got {count}. Add images to the "
            "corpus."
        )


class NoUnrelatedPairError(ValueError):
    """All images of a calibration belong to one group, so no two of them are known to be unrelated."""


def train_descriptor(
    images: np.ndarray, config: DescriptorTrainingConfig, folder: Path, progress: Progress
) -> CopyDescriptor:
    """Returns a descriptor trained to distinguish the copies of each image from all other images.

    Args:
        images: (N, 64, 64, 3) uint8 without known duplicates, since the loss pushes different images apart.
        config: steps, batch size, loss weights.
        folder: folder of the checkpoint. A killed run resumes from it and ends in the same bits.
        progress: called after each step.

    Raises:
        TooFewTrainingImagesError: there are fewer than two images.
    """
    if len(images) < 2:
        raise TooFewTrainingImagesError(len(images))
    model = new_descriptor(derived_seed(config.seed, "descriptor"))
    inputs = to_input(images)
    batch_size = min(config.batch_size, len(images))

    def loss_of(step: int) -> torch.Tensor:
        rows = numpy_generator(config.seed, "descriptor batch", step).choice(
            len(images), batch_size, replace=False
        )
        batch = inputs[torch.from_numpy(rows)]
        generator = torch_generator(config.seed, "descriptor views", step)
        vectors = model(augment(torch.cat([batch, batch]), generator))
        loss = info_nce_loss(vectors, config.temperature)
        return loss + config.entropy_weight * entropy_loss(vectors)

    identity = hashlib.sha256(
        images.tobytes() + json.dumps(identity_of(config), sort_keys=True).encode()
    ).hexdigest()
    fields = config.model_dump(include=set(Optimization.__dataclass_fields__))
    train_resumably(
        model,
        loss_of,
        Optimization(**fields),
        folder=folder,
        identity=identity,
        what="training the copy descriptor",
        progress=progress,
    )
    return model


def info_nce_loss(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Returns InfoNCE of unit vectors (2N, D), of which i and i + N are views of one image (SSCD, eq. 1)."""
    count = vectors.shape[0]
    logits = vectors @ vectors.T / temperature
    logits = logits.masked_fill(torch.eye(count, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(logits, torch.arange(count).roll(count // 2))


def entropy_loss(vectors: torch.Tensor) -> torch.Tensor:
    """Returns the KoLeo term of vectors (2N, D): minus the mean log distance to the nearest other image.

    It spreads the vectors evenly over the sphere, so that one threshold fits everywhere (SSCD, section 4.2).
    """
    same = torch.eye(len(vectors) // 2, dtype=torch.bool).repeat(2, 2)
    nearest = (vectors @ vectors.T).detach().masked_fill(same, -2).argmax(1)  # -2 is below every cosine
    distance = (vectors - vectors[nearest]).norm(dim=1)
    return -(distance + 1e-4).log().mean()  # finite also for equal vectors


def calibrate_threshold(vectors: np.ndarray, groups: Sequence[str], false_pair_rate: float) -> float:
    """Returns the cosine that the share `false_pair_rate` of unrelated pairs exceeds.

    Args:
        vectors: unit vectors (N, D) of images that the descriptor was not trained on.
        groups: group of each image. Only images of different groups are known to be unrelated.
        false_pair_rate: share from 0 to 1.

    Raises:
        NoUnrelatedPairError: all images belong to one group.
    """
    labels = np.unique(np.asarray(groups), return_inverse=True)[1]
    left, right = np.triu_indices(len(vectors), 1)
    unrelated = labels[left] != labels[right]
    if not unrelated.any():
        raise NoUnrelatedPairError(
            "The threshold of the copy descriptor needs unrelated pairs, so held-out images of at least two "
            "groups."
        )
    cosines = np.sort((vectors @ vectors.T)[left, right][unrelated])[::-1]
    return float(cosines[min(len(cosines) - 1, int(false_pair_rate * len(cosines)))])
