"""Direct preference optimization with positive sample reinforcement (report 3.6.1)."""

import polars as pl
import torch

from trainers.config import DpoConfig
from trainers.data.collate import Batch, pad, stack
from trainers.data.sampler import BucketSampler
from trainers.losses import preference_loss
from trainers.stages.preferences import PREFERENCE_FOLDER, prepare_preferences
from trainers.stages.stage import Stage, StageContext, flow_matching_error, load_reference_model
from trainers.strategies.deepspeed import DTYPES, DeepSpeedStrategy


class DirectPreference(Stage):
    """DPO with the frozen starting point of the stage as the reference, and a larger weight on winners."""

    def __init__(self, context: StageContext, config: DpoConfig, strategy: DeepSpeedStrategy) -> None:
        self._dpo = config
        self._reference = load_reference_model(context, DTYPES[config.precision])
        folder = context.run.output / PREFERENCE_FOLDER
        self._pairs, self._pair_latents = prepare_preferences(context, config, self._reference, folder)
        super().__init__(context, config, strategy)

    def open_sampler(self) -> BucketSampler:
        """Returns a sampler that draws all pairs with equal weight."""
        return BucketSampler(
            self._pairs.with_columns(weight=pl.lit(1.0)),
            batch_size=self.config.batch_size,
            balance_by=(),
            seed=self.config.seed,
            world_size=self.context.world_size,
        )

    def loss(self, model: torch.nn.Module, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns the preference loss (report equation 2)."""
        rows = self.sampler.batch(step, self.context.rank)
        both = self._winners_and_losers(rows)
        half = len(rows)
        # Winner and loser share noise and noise level, in policy and reference alike. Otherwise the draws
        # would dominate the difference of their errors.
        noise, sigma, weight = self.noise_levels(both.target[:half], step, exponent=1.0)
        noise, sigma, weight = noise.repeat(2, 1, 1, 1), sigma.repeat(2), weight.repeat(2)
        errors = flow_matching_error(model, both, noise, sigma) * weight
        with torch.no_grad():
            reference = flow_matching_error(self._reference, both, noise, sigma) * weight
        loss = preference_loss(
            errors[:half],
            errors[half:],
            reference[:half],
            reference[half:],
            beta=self._dpo.beta,
            omega=self._dpo.omega,
            anchor=self._dpo.anchor,
        )
        change = (errors - reference).detach()
        winner, loser = change[:half], change[half:]
        # Ties count half: at the first step policy and reference are equal, and so are all changes.
        prefers = (loser > winner).float() + 0.5 * (loser == winner).float()
        return loss, {
            "winner_change": float(winner.mean()),
            "loser_change": float(loser.mean()),
            "implicit_accuracy": float(prefers.mean()),
        }

    def _winners_and_losers(self, rows: pl.DataFrame) -> Batch:
        """Returns one batch of all winners, then all losers, with the same texts and references."""
        text, mask = pad([self.context.texts.get(key) for key in rows["text_key"]])
        keys = rows["winner_key"].to_list() + rows["loser_key"].to_list()
        sources = rows["source_keys"].to_list()
        references = [
            stack([names[index] for names in sources], self.context.latents).repeat(2, 1, 1, 1)
            for index in range(len(sources[0]))
        ]
        both = Batch(
            sample_ids=rows["sample_id"].to_list() * 2,
            target=stack(keys, self._pair_latents),
            references=references,
            text=text.repeat(2, 1, 1),
            text_mask=mask.repeat(2, 1),
        )
        return both.to(self.context.device)
