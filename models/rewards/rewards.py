"""Rewards of sampled edits from the evaluator and the ground truth, and advantages computed from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from models.codecs.patch_codec import PatchCodec
    from models.evaluator.pair_evaluator import PairEvaluator


def truth_reward(samples: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Returns exp(-mean squared error), in (0, 1], of latents (B, C, h, w) to the ground truth."""
    return torch.exp(-(samples - truth).pow(2).flatten(1).mean(1))


@torch.no_grad()
def alignment_reward(
    samples: torch.Tensor,
    source: torch.Tensor,
    instruction: torch.Tensor,
    *,
    evaluator: PairEvaluator,
    codec: PatchCodec,
) -> torch.Tensor:
    """Returns the probability (B,) by the evaluator that the decoded samples follow their instructions.

    Args:
        samples: sampled latents (B, C, h, w).
        source: latents of the first reference, (B, C, h, w).
        instruction: unit sentence vectors (B, D).
        evaluator: the pair evaluator.
        codec: decodes latents to the pixels that the evaluator scores.
    """
    pixels = [codec.decode(latents).clamp(-1, 1) for latents in (source, samples)]
    return evaluator.score(pixels[0], pixels[1], instruction)


def blend(alignment: torch.Tensor, truth: torch.Tensor, *, evaluator_weight: float) -> torch.Tensor:
    """Returns evaluator_weight * alignment + (1 - evaluator_weight) * truth."""
    return evaluator_weight * alignment + (1 - evaluator_weight) * truth


def group_advantages(rewards: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns advantages (P, S) normalised per prompt, and a mask (P,) of prompts whose rewards differ.

    Args:
        rewards: (P, S), S samples for each of P prompts.
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    spread = rewards.std(1, keepdim=True)
    informative = spread.squeeze(1) > 1e-6
    return torch.where(informative.unsqueeze(1), centred / spread.clamp_min(1e-6), 0.0), informative


def optimality(advantages: torch.Tensor, *, clip: float) -> torch.Tensor:
    """Returns r = 1/2 + 1/2 * clip(advantage / clip, -1, 1), the optimality of DiffusionNFT in [0, 1]."""
    return 0.5 + 0.5 * (advantages / clip).clamp(-1, 1)
