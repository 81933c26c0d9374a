"""The interface between a training stage and the loop, and the flow matching of pretrain, CT and SFT."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

from models.common.seeding import torch_generator
from models.editor.geometry import PATCH
from models.editor.sampling import initial_noise, sample, sigma_schedule
from models.editor.transformer import build_editor, load_editor, predict_velocity
from trainers.config import StageConfig, StageRun
from trainers.data.cache import MIXTURE, TensorCache, read_cache_table
from trainers.data.collate import Batch, collate
from trainers.data.sampler import BucketSampler
from trainers.identity import segments_of
from trainers.losses import add_noise, squared_error
from trainers.strategies.deepspeed import DeepSpeedStrategy, local_device
from trainers.timesteps import loss_weight, sigma_from_uniform, stratified_uniform


@dataclass(frozen=True)
class StageContext:
    """Run, rank and data of a stage.

    Attributes:
        run: input of the trainer.
        rank: rank of this process.
        world_size: number of ranks.
        mixture: rows of the MIXTURE schema, of both splits.
        texts: token states by text key.
        latents: latents by image key.
        device: device of this rank.
        schedule_steps: steps of the schedules. It differs from `run.config.steps` if the run was extended.
    """

    run: StageRun
    rank: int
    world_size: int
    mixture: pl.DataFrame
    texts: TensorCache
    latents: TensorCache
    device: torch.device
    schedule_steps: int

    def collate(self, rows: pl.DataFrame) -> Batch:
        """Returns the tensors of some rows of one bucket, on this rank's device."""
        return collate(rows, self.texts, self.latents).to(self.device)


def open_context(run: StageRun, rank: int, world_size: int) -> StageContext:
    """Returns the context of a run after opening its mixture and caches.

    Raises:
        CacheError: a table or an index is missing or has other columns.
    """
    return StageContext(
        run=run,
        rank=rank,
        world_size=world_size,
        mixture=read_cache_table(run.mixture, MIXTURE),
        texts=TensorCache(run.text_cache),
        latents=TensorCache(run.latent_cache),
        device=local_device(),
        schedule_steps=next(iter(segments_of(run.output)), run.config.steps),
    )


def starting_point(run: StageRun) -> QwenImageTransformer2DModel:
    """Returns the transformer of the previous stage, or a new one for the first stage."""
    return load_editor(run.init_from) if run.init_from else build_editor(run.editor, run.config.seed)


def load_reference_model(context: StageContext, dtype: torch.dtype) -> torch.nn.Module:
    """Returns a frozen copy of the starting point on this rank's device."""
    start: Any = starting_point(context.run).eval().requires_grad_(False)
    return start.to(device=context.device, dtype=dtype)


class Stage:
    """Flow matching on batches of a mixture (report 3.3 to 3.5). Stages override what differs."""

    def __init__(self, context: StageContext, config: StageConfig, strategy: DeepSpeedStrategy) -> None:  # noqa: ARG002
        self.context = context
        self.config = config
        self.sampler = self.open_sampler()

    def open_sampler(self) -> BucketSampler:
        """Returns the sampler of the stage's rows."""
        return BucketSampler(
            self.context.mixture,
            batch_size=self.config.batch_size,
            balance_by=self.config.balance_by,
            seed=self.config.seed,
            world_size=self.context.world_size,
        )

    def loss(self, model: torch.nn.Module, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns this rank's loss at a step, and further figures to log."""
        batch = self.context.collate(self.sampler.batch(step, self.context.rank))
        noise, sigma, weight = self.noise_levels(batch.target, step, exponent=self.exponent(step))
        return (flow_matching_error(model, batch, noise, sigma) * weight).mean(), {}

    def noise_levels(
        self, clean: torch.Tensor, step: int, *, exponent: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns noise like `clean`, stratified noise levels (B,) and their loss weights (B,) for a step."""
        rank, config = self.context.rank, self.config
        # Keyed by step as well as rank. The public FireRed trainer seeds its generator with seed + rank at
        # every step, so that batches of equal shape get equal noise and noise levels.
        generator = torch_generator(config.seed, "noise", step, rank)
        uniform = stratified_uniform(step, rank, self.context.world_size, batch=len(clean), seed=config.seed)
        # The largest single gain of the demo: 900 steps of pre-training ended at error 0.631 with mu 1.0, and
        # at 0.703 without a shift (docs/log.md).
        mu = shift_of(config, clean)
        sigma = sigma_from_uniform(uniform, exponent=exponent, mu=mu)
        weight = torch.ones_like(sigma)
        if config.loss_weight is not None:
            weighting = config.loss_weight
            weight = loss_weight(
                sigma, mean=weighting.mean, std=weighting.std, floor=weighting.floor, exponent=exponent, mu=mu
            )
        noise = torch.randn(clean.shape, generator=generator)
        return noise.to(clean.device), sigma.to(clean.device), weight.to(clean.device)

    def exponent(self, step: int) -> float:  # noqa: ARG002 only pre-training depends on the step
        """Returns the exponent of the noise density at a step; 1 is uniform."""
        return 1.0

    def finish_step(self, strategy: DeepSpeedStrategy, step: int) -> None:
        """Runs after the optimizer step `step`, counted from 0."""

    def result_shards(self) -> list[torch.Tensor] | None:
        """Returns this rank's shards of the resulting weights; None if they are the trained weights."""
        return None

    def state(self) -> dict[str, torch.Tensor]:
        """Returns this rank's tensors that a checkpoint stores besides weights and optimizer state."""
        return {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Restores the tensors that `state` returned."""

    def first_seen(self) -> pl.DataFrame:
        """Returns the samples that the finished stage trained on, with the first step of each (from 1)."""
        return self.sampler.first_seen(self.config.steps)


def flow_matching_error(
    model: torch.nn.Module, batch: Batch, noise: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Returns the squared error of the model's velocity for each sample, (B,).

    Args:
        model: the transformer.
        batch: B samples.
        noise: noise with the shape of the targets, (B, C, h, w).
        sigma: noise levels (B,) of the noisy targets.
    """
    velocity = predict_velocity(
        model,
        add_noise(batch.target, noise, sigma),
        batch.references,
        text=batch.text,
        text_mask=batch.text_mask,
        sigma=sigma,
    )
    return squared_error(velocity, noise - batch.target)


def sample_batch(
    policy: torch.nn.Module, batch: Batch, keys: Sequence[str], config: StageConfig
) -> torch.Tensor:
    """Returns clean latents (B, C, h, w), sampled with the stage's number of steps and shift."""
    return sample(
        policy,
        initial_noise(keys, batch.target.shape[1:], config.seed).to(batch.target.device),
        batch.references,
        text=batch.text,
        text_mask=batch.text_mask,
        sigmas=sigma_schedule(config.sampling_steps, shift_of(config, batch.target)).to(batch.target.device),
    )


def shift_of(config: StageConfig, latents: torch.Tensor) -> float:
    """Returns mu of the resolution shift for targets (B, C, h, w); 0 if the stage has no shift."""
    shift = config.resolution_shift
    return shift.mu(latents.shape[2] * latents.shape[3] // PATCH**2) if shift else 0.0


def edit_rows(mixture: pl.DataFrame, split: str) -> pl.DataFrame:
    """Returns the edits of one split."""
    return mixture.filter((pl.col("task") == "i2i") & (pl.col("split") == split))
