"""DiffusionNFT (report 3.6.2): the policy moves towards those of its samples that are rewarded."""

import polars as pl
import torch

from models.editor.transformer import predict_velocity
from models.rewards.rewards import group_advantages, optimality
from trainers.config import NftConfig
from trainers.data.sampler import BucketSampler
from trainers.losses import add_noise, negative_aware_loss
from trainers.stages.rollouts import Judge, Rollouts, roll_out
from trainers.stages.stage import Context, Stage, edit_rows
from trainers.strategies.deepspeed import Engine


class NegativeAwareFinetune(Stage):
    """Online: each rollout of the old policy serves several updates, after which the old policy follows."""

    def __init__(self, context: Context, config: NftConfig, old_policy: torch.nn.Module) -> None:
        super().__init__(context, config)
        self._nft = config
        self._old = old_policy
        self._judge = Judge(context.run, config.evaluator_weight)
        self._rollouts: tuple[int, Rollouts] | None = None

    def open_sampler(self) -> BucketSampler:
        """Returns what draws prompts: edits, whose truth is known."""
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
        """Returns the loss on the current rollout with fresh noise; its value says nothing of progress."""
        rollouts = self._current(step // self._nft.updates_per_rollout)
        advantages, informative = group_advantages(rollouts.rewards)
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

    def finish_step(self, engine: Engine, step: int) -> None:
        """After the last update of a rollout, moves the old policy towards the new one."""
        if (step + 1) % self._nft.updates_per_rollout:
            return
        weights = engine.full_weights()
        with torch.no_grad():
            for name, parameter in self._old.named_parameters():
                parameter.lerp_(weights[name], 1.0 - self._nft.old_policy_decay)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the old policy: taken from the new one at a resume, the run would be another."""
        return {f"old.{name}": parameter.detach() for name, parameter in self._old.named_parameters()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Takes the old policy back from a checkpoint."""
        with torch.no_grad():
            for name, parameter in self._old.named_parameters():
                parameter.copy_(state[f"old.{name}"])

    def first_seen(self) -> pl.DataFrame:
        """Returns the prompts that were rolled out, with the step of each (from 1)."""
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
                judge=self._judge,
                occasion=f"rollout {number}",
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
