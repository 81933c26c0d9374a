"""Trains the evaluator on pairs with their own and with perturbed instructions (report 2.6)."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from models.common.fields import identity_of
from models.common.progress import Progress
from models.common.seeding import derived_seed, numpy_generator, torch_generator
from models.common.tensors import to_model_range
from models.evaluator.pair_evaluator import PairEvaluator, new_evaluator
from trainers.small.config import EvaluatorTrainingConfig
from trainers.small.resumable import Optimization, train_resumably

MaskedInput = Literal["nothing", "pictures", "instruction"]
"""The input that is replaced by zeros for a shortcut probe; `pictures` are the images of a pair."""

SCORING_BATCH = 256


class SingleClassError(ValueError):
    """An AUC needs positive and negative scores.

    Attributes:
        positives: number of positive scores.
        negatives: number of negative scores.
    """

    def __init__(self, positives: int, negatives: int) -> None:
        self.positives, self.negatives = positives, negatives
        super().__init__(f"An AUC needs positive and negative scores, but got {positives} and {negatives}.")


@dataclass(frozen=True)
class EvaluatorExamples:
    """Pairs, each with an instruction that it follows and one that it does not follow.

    Attributes:
        images: distinct thumbnails, (P, 64, 64, 3) uint8.
        vectors: distinct instructions, (T, 384) float32 unit vectors.
        source: rows of `images`, (N,).
        target: rows of `images`, (N,).
        own: rows of `vectors`, (N,): the instruction of the pair.
        other: rows of `vectors`, (N,): a perturbed instruction.
        edit: rows of `describes`, (N,): the kind of edit with its parameters.
        describes: (E, E) bool, whether the instructions of the second edit also describe the first.
    """

    images: np.ndarray
    vectors: np.ndarray
    source: np.ndarray
    target: np.ndarray
    own: np.ndarray
    other: np.ndarray
    edit: np.ndarray
    describes: np.ndarray

    def digest(self) -> str:
        """Returns a digest of all arrays."""
        return hashlib.sha256(b"".join(array.tobytes() for array in vars(self).values())).hexdigest()


def train_evaluator(
    examples: EvaluatorExamples,
    config: EvaluatorTrainingConfig,
    folder: Path,
    progress: Progress,
    *,
    masked_input: MaskedInput = "nothing",
) -> PairEvaluator:
    """Returns an evaluator that distinguishes the instruction of a pair from a perturbed one.

    Args:
        examples: examples of the training split.
        config: steps, batch size, rates.
        folder: folder of the checkpoint. A killed run resumes from it and ends in the same bits.
        progress: called after each step.
        masked_input: input that is replaced by zeros. A shortcut probe measures what the other input reveals.
    """
    model = new_evaluator(derived_seed(config.seed, "evaluator"))
    batch_size = min(config.batch_size, len(examples.source))
    describes = torch.from_numpy(examples.describes)

    def loss_of(step: int) -> torch.Tensor:
        rows = numpy_generator(config.seed, "evaluator batch", step).choice(
            len(examples.source), batch_size, replace=False
        )
        generator = torch_generator(config.seed, "evaluator views", step)
        edits, own, other = _embed(model, examples, rows, generator, masked_input=masked_input)
        # The logistic loss calibrates the score: 0.5 is the border. The contrastive loss over all pairs and
        # instructions of the batch learns faster: held-out AUC after 300 steps was 0.82 without it and 0.99
        # with it (3,022 edits of 27 kinds).
        logistic = F.softplus(-model.judge(edits, own)) + F.softplus(model.judge(edits, other))
        kinds = torch.from_numpy(examples.edit[rows])
        return logistic.mean() / 2 + contrastive_loss(
            model.judge(edits[:, None], own[None]), describes[kinds][:, kinds]
        )

    settings = f"{examples.digest()} {json.dumps(identity_of(config), sort_keys=True)} {masked_input}"
    train_resumably(
        model,
        loss_of,
        Optimization(**config.model_dump(include=set(Optimization.__dataclass_fields__))),
        folder=folder,
        identity=hashlib.sha256(settings.encode()).hexdigest(),
        what="training the evaluator" if masked_input == "nothing" else f"probing without {masked_input}",
        progress=progress,
    )
    return model


def contrastive_loss(logits: torch.Tensor, describes: torch.Tensor) -> torch.Tensor:
    """Returns the mean of InfoNCE over edits and over instructions, each with one or more right answers.

    Args:
        logits: (B, B), edit by instruction.
        describes: (B, B) bool, whether the instruction is right for the edit.
    """
    right = logits.masked_fill(~describes, float("-inf"))
    losses = [logits.logsumexp(side).mean() - right.logsumexp(side).mean() for side in (0, 1)]
    return (losses[0] + losses[1]) / 2


@torch.no_grad()
def evaluator_auc(
    model: PairEvaluator, examples: EvaluatorExamples, *, masked_input: MaskedInput = "nothing"
) -> float:
    """Returns the AUC: how often the own instruction of some pair scores above some perturbed one.

    Args:
        model: an evaluator or a probe.
        examples: pairs of groups that the model was not trained on.
        masked_input: the input that was masked in training.
    """
    own_scores, other_scores = [], []
    for start in range(0, len(examples.source), SCORING_BATCH):
        rows = np.arange(start, min(start + SCORING_BATCH, len(examples.source)))
        edits, own, other = _embed(model, examples, rows, None, masked_input=masked_input)
        own_scores.append(model.judge(edits, own).numpy())
        other_scores.append(model.judge(edits, other).numpy())
    scores = np.concatenate([*own_scores, *other_scores])
    return auc(scores, np.repeat([True, False], len(examples.source)))


@torch.no_grad()
def score_pairs(
    model: PairEvaluator,
    images: np.ndarray,
    *,
    source: np.ndarray,
    target: np.ndarray,
    instructions: np.ndarray,
) -> np.ndarray:
    """Returns the probability (N,) that each target is its source edited as instructed.

    Args:
        model: the evaluator.
        images: thumbnails, (P, 64, 64, 3) uint8.
        source: rows of `images`, (N,).
        target: rows of `images`, (N,).
        instructions: unit sentence vectors, (N, 384) float32.
    """
    scores = [np.zeros(0, np.float32)]
    for start in range(0, len(source), SCORING_BATCH):
        part = slice(start, start + SCORING_BATCH)
        sides = (to_model_range(images[source[part]]), to_model_range(images[target[part]]))
        scores.append(model.score(*sides, torch.from_numpy(instructions[part])).numpy())
    return np.concatenate(scores)


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Returns the area under the ROC curve, by the rank sum of Mann and Whitney; ties count half.

    Raises:
        SingleClassError: there is no positive or no negative score.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        raise SingleClassError(positives, negatives)
    _, distinct, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = mean_rank[distinct][positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def _embed(
    model: PairEvaluator,
    examples: EvaluatorExamples,
    rows: np.ndarray,
    generator: torch.Generator | None,
    *,
    masked_input: MaskedInput,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns vectors (B, 256) of edits, of their own instructions and of the perturbed instructions."""
    own, other = (torch.from_numpy(examples.vectors[index[rows]]) for index in (examples.own, examples.other))
    if masked_input == "instruction":
        own, other = torch.zeros_like(own), torch.zeros_like(other)
    if masked_input == "pictures":
        zeros = torch.zeros(1, 3, *examples.images.shape[1:3])
        edits = model.see(zeros, zeros).expand(len(rows), -1)
    else:
        sides = [to_model_range(examples.images[index[rows]]) for index in (examples.source, examples.target)]
        edits = model.see(*(sides if generator is None else _degrade(sides, generator)))
    return edits, model.understand(own), model.understand(other)


def _degrade(sides: list[torch.Tensor], generator: torch.Generator) -> list[torch.Tensor]:
    """Returns sources and targets with a little blur and noise, equally strong in both images of a pair."""
    # Decoded samples are slightly blurred and noisy, and the evaluator rewards them in DPO and NFT.
    share = torch.rand((len(sides[0]), 1, 1, 1), generator=generator)
    share = share * (torch.rand(share.shape, generator=generator) < 0.5)
    sigma = 0.1 * torch.rand(share.shape, generator=generator)
    degraded = []
    for images in sides:
        soft = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed = images * (1 - share) + soft * share
        degraded.append(mixed + sigma * torch.randn(mixed.shape, generator=generator))
    return degraded
