"""DiffusionNFT (report 3.6.2): moves the policy towards samples with high rewards, away from the others."""

import polars as pl
import torch

from models.editor.transformer import predict_velocity
from models.rewards.rewards import group_advantages, optimality
from trainers.config import NftConfig
from trainers.data.sampler import BucketSampler
from trainers.losses import add_noise, negative_aware_loss
from trainers.stages.rollouts import RewardModel, Rollouts, roll_out
from trainers.stages.stage import Stage, StageContext, edit_rows, load_reference_model
from trainers.strategies.deepspeed import DeepSpeedStrategy


class NegativeAwareFinetune(Stage):
    """Online training: a rollout of the old policy serves several updates, then the old policy follows."""

    def __init__(self, context: StageContext, config: NftConfig, strategy: DeepSpeedStrategy) -> None:
        super().__init__(context, config, strategy)
        self._nft = config
        # Float32 at any precision of the stage: the old policy moves in small steps, which bf16 would lose.
        self._old = load_reference_model(context, torch.float32)
        self._reward_model = RewardModel(context.run, config.evaluator_weight)
        self._rollouts: tuple[int, Rollouts] | None = None

    def open_sampler(self) -> BucketSampler:
        """Returns a sampler of prompts: edits, because their truth is known."""
        config = self.config
        assert isinstance(config, NftConfig)
        return BucketSampler(
            edit_rows(self.context.mixture, "train"),
            batch_size=config.batch_size // config.samples_per_prompt,
            balance_by=config.balance_by,
            seed=config.seed,
            world_size=self.context.world_size,
        )

    def loss(self, model: torch.nn.Module, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns the loss on the current rollout with fresh noise (report equation 3).

        Its value doesn't measure progress; see `negative_aware_loss`. `reward` does.
        """
        rollouts = self._current(step // self._nft.updates_per_rollout)
        advantages, informative = group_advantages(rollouts.rewards)
        # A prompt whose samples all have equal rewards has optimality 0.5 everywhere. It would only pull the
        # policy back to the old one, so it is left out.
        keep = informative.repeat_interleave(self._nft.samples_per_prompt).float()
        good = optimality(advantages, clip=self._nft.advantage_clip).flatten()
        noise, sigma, weight = self.noise_levels(rollouts.samples, step, exponent=1.0)
        noisy = add_noise(rollouts.samples, noise, sigma)
        velocity = self._velocity(model, rollouts, noisy, sigma)
        with torch.no_grad():
            old_velocity = self._velocity(self._old, rollouts, noisy, sigma)
        losses = negative_aware_loss(
            velocity, old_velocity, noise - rollouts.samples, good, beta=self._nft.beta
        )
        return (losses * weight * keep).sum() / keep.sum().clamp_min(1.0), {
            "reward": float(rollouts.rewards.mean()),
            "reward_spread": float(rollouts.rewards.std(1).mean()),
            "uninformative_prompts": 1.0 - float(informative.float().mean()),
        }

    def finish_step(self, strategy: DeepSpeedStrategy, step: int) -> None:
        """Moves the old policy towards the trained one after the last update of a rollout."""
        if (step + 1) % self._nft.updates_per_rollout:
            return
        weights = strategy.full_weights()
        with torch.no_grad():
            for name, parameter in self._old.named_parameters():
                parameter.lerp_(weights[name], 1.0 - self._nft.old_policy_decay)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the old policy for checkpoints."""
        # The published implementation restores it from the trained policy, so a resumed run goes another way.
        return {f"old.{name}": parameter.detach() for name, parameter in self._old.named_parameters()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Restores the old policy from a checkpoint."""
        with torch.no_grad():
            for name, parameter in self._old.named_parameters():
                parameter.copy_(state[f"old.{name}"])

    def first_seen(self) -> pl.DataFrame:
        """Returns the prompts of all rollouts, with the first step of each (from 1)."""
        updates = self._nft.updates_per_rollout
        seen = self.sampler.first_seen(-(-self.config.steps // updates))
        return seen.with_columns(step=(pl.col("step") - 1) * updates + 1)

    def _current(self, number: int) -> Rollouts:
        if self._rollouts is None or self._rollouts[0] != number:
            rows = self.sampler.batch(number, self.context.rank)
            rollouts = roll_out(
                self.context,
                self._old,
                rows,
                config=self.config,
                samples_per_prompt=self._nft.samples_per_prompt,
                reward_model=self._reward_model,
                purpose=f"rollout {number}",
            )
            self._rollouts = (number, rollouts)
        return self._rollouts[1]

    @staticmethod
    def _velocity(
        model: torch.nn.Module, rollouts: Rollouts, noisy: torch.Tensor, sigma: torch.Tensor
    ) -> torch.Tensor:
        prompts = rollouts.prompts
        return predict_velocity(
            model, noisy, prompts.references, text=prompts.text, text_mask=prompts.text_mask, sigma=sigma
        )
