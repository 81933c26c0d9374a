"""Rollouts: several samples of each prompt with their rewards, for the pairs of DPO and the groups of NFT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import torch

from models.codecs.patch_codec import PatchCodec
from models.rewards.rewards import alignment_reward, blend, truth_reward
from trainers.config import StageConfig, StageRun
from trainers.data.collate import Batch
from trainers.stages.stage import StageContext, sample_batch
from trainers.strategies.deepspeed import local_device

if TYPE_CHECKING:
    from models.evaluator.pair_evaluator import PairEvaluator


@dataclass(frozen=True)
class Rollouts:
    """P prompts with S samples each.

    Attributes:
        prompts: batch of the prompts, each repeated S times in a row.
        samples: clean latents (P * S, C, h, w).
        rewards: (P, S).
    """

    prompts: Batch
    samples: torch.Tensor
    rewards: torch.Tensor


class RewardModel:
    """Rewards sampled latents by the known truth and, if its weight is positive, by the evaluator.

    A small weight is enough: the evaluator's scores of slightly blurred samples spread far more than the
    reward from the truth. With weight 0.3 NFT ended at error 0.2745, with 0.05 at 0.2656 (docs/log.md).
    """

    def __init__(self, run: StageRun, evaluator_weight: float) -> None:
        self._weight = evaluator_weight
        self._evaluator: PairEvaluator | None = None
        self._codec: PatchCodec | None = None
        if evaluator_weight > 0 and run.evaluator is not None and run.codec is not None:
            from models.evaluator.pair_evaluator import load_evaluator

            self._evaluator = load_evaluator(run.evaluator).to(local_device())
            self._codec = PatchCodec.from_pretrained(str(run.codec))
            self._codec.to(device=local_device())  # pyright: ignore[reportCallIssue, reportArgumentType] diffusers wraps `to`

    def rewards(self, samples: torch.Tensor, prompts: Batch) -> torch.Tensor:
        """Returns the reward of each sample, (B,), in [0, 1]."""
        truth = truth_reward(samples, prompts.target)
        if self._evaluator is None or self._codec is None:
            return truth
        from models.text_encoders.minilm import mean_embedding

        alignment = alignment_reward(
            samples,
            prompts.references[0],
            mean_embedding(prompts.text, prompts.text_mask),
            evaluator=self._evaluator,
            codec=self._codec,
        )
        return blend(alignment, truth, evaluator_weight=self._weight)


def roll_out(
    context: StageContext,
    policy: torch.nn.Module,
    rows: pl.DataFrame,
    *,
    config: StageConfig,
    samples_per_prompt: int,
    reward_model: RewardModel,
    purpose: str,
) -> Rollouts:
    """Returns samples of a policy and their rewards for rows of one bucket.

    The noise of a sample depends on seed, purpose, row and number, not on the other samples of its batch.

    Args:
        context: data and device.
        policy: the transformer that samples.
        rows: prompts, rows of the MIXTURE schema.
        config: seed, number of sampling steps and shift.
        samples_per_prompt: samples of each row.
        reward_model: computes the rewards.
        purpose: part of the key of the noise.
    """
    prompts = context.collate(rows).repeat(samples_per_prompt)
    keys = [
        f"{purpose}/{sample_id}/{text_key}/{number}"
        for sample_id, text_key in rows.select("sample_id", "text_key").iter_rows()
        for number in range(samples_per_prompt)
    ]
    samples = sample_batch(policy, prompts, keys, config)
    rewards = reward_model.rewards(samples, prompts).view(-1, samples_per_prompt)
    return Rollouts(prompts, samples, rewards)
