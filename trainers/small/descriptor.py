"""Training of the copy descriptor on the corpus itself (SSCD, Pizzi et al., 2022), and its threshold."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from models.common.progress import Progress
from models.common.seeding import derived_seed, numpy_generator, torch_generator
from models.descriptors.copy_descriptor import CopyDescriptor, new_descriptor, to_input
from trainers.small.config import DescriptorTrainingConfig
from trainers.small.copy_augmentations import augmented
from trainers.small.resumable import Optimization, train_resumably


def train_descriptor(
    images: np.ndarray, config: DescriptorTrainingConfig, folder: Path, progress: Progress
) -> CopyDescriptor:
    """Returns a descriptor trained to tell copies of each image from all the other images.

    Args:
        images: (N, 64, 64, 3) uint8, known duplicates removed: two of one photograph would repel each other.
        config: steps, batch, loss weights.
        folder: keeps the checkpoint; a killed run goes on there and ends in the same bits.
        progress: called after each step.

    Raises:
        ValueError: fewer than two images.
    """
    if len(images) < 2:
        raise ValueError(
            f"The copy descriptor learns to tell images apart: two are needed, {len(images)} given."
        )
    model = new_descriptor(derived_seed(config.seed, "descriptor"))
    pictures = to_input(images)
    batch_size = min(config.batch_size, len(images))

    def loss_of(step: int) -> torch.Tensor:
        rows = numpy_generator(config.seed, "descriptor batch", step).choice(
            len(images), batch_size, replace=False
        )
        batch = pictures[torch.from_numpy(rows)]
        generator = torch_generator(config.seed, "descriptor views", step)
        vectors = model(augmented(torch.cat([batch, batch]), generator))
        loss = contrastive_loss(vectors, config.temperature)
        return loss + config.entropy_weight * entropy_loss(vectors)

    identity = hashlib.sha256(images.tobytes() + config.model_dump_json().encode()).hexdigest()
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


def contrastive_loss(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Returns InfoNCE of unit vectors (2N, D); rows i and i + N are two views of one image (SSCD, eq. 1)."""
    count = vectors.shape[0]
    logits = vectors @ vectors.T / temperature
    logits = logits.masked_fill(torch.eye(count, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(logits, torch.arange(count).roll(count // 2))


def entropy_loss(vectors: torch.Tensor) -> torch.Tensor:
    """Returns the KoLeo term of vectors (2N, D): minus the mean log distance to the nearest other image's.

    It spreads the vectors over the sphere, so that one threshold fits all of it (SSCD, section 4.2).
    """
    same = torch.eye(len(vectors) // 2, dtype=torch.bool).repeat(2, 2)
    nearest = (vectors @ vectors.T).detach().masked_fill(same, -2).argmax(1)
    distance = (vectors - vectors[nearest]).norm(dim=1)
    return -(distance + 1e-4).log().mean()


def calibrate_threshold(vectors: np.ndarray, groups: Sequence[str], false_pair_rate: float) -> float:
    """Returns the cosine that a share `false_pair_rate` of unrelated pairs exceeds.

    Args:
        vectors: unit vectors (N, D) of images that the descriptor was not trained on.
        groups: the group of each image; only pairs of different groups are unrelated for certain.
        false_pair_rate: 0 to 1.

    Raises:
        ValueError: no two images are of different groups.
    """
    labels = np.unique(np.asarray(groups), return_inverse=True)[1]
    left, right = np.triu_indices(len(vectors), 1)
    unrelated = labels[left] != labels[right]
    if not unrelated.any():
        raise ValueError(
            "A threshold needs unrelated pairs: images of at least two groups, held out of training."
        )
    cosines = np.sort((vectors @ vectors.T)[left, right][unrelated])[::-1]
    return float(cosines[min(len(cosines) - 1, int(false_pair_rate * len(cosines)))])
