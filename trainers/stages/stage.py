"""What a training stage is to the loop, and the flow matching step that pretrain, CT and SFT share."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import torch

from models.common.seeding import torch_generator
from models.editor.config import PATCH
from models.editor.sampling import initial_noise, sample, sigma_schedule
from models.editor.transformer import predict_velocity
from trainers.config import StageConfig, StageRun
from trainers.data.cache import MIXTURE, TensorCache, read_cache_table
from trainers.data.collate import Batch, collate
from trainers.data.sampler import BucketSampler
from trainers.losses import add_noise, squared_error
from trainers.strategies.deepspeed import Engine, local_device
from trainers.timesteps import loss_weight, sigma_from_uniform, stratified_uniform


@dataclass(frozen=True)
class Context:
    """What every stage works with: its run, its place among the ranks, and the data."""

    run: StageRun
    rank: int
    world_size: int
    mixture: pl.DataFrame
    texts: TensorCache
    latents: TensorCache
    device: torch.device

    def collate(self, rows: pl.DataFrame) -> Batch:
        """Returns the tensors of some rows of one bucket, on this rank's device."""
        return collate(rows, self.texts, self.latents).to(self.device)


def open_context(run: StageRun, rank: int, world_size: int) -> Context:
    """Returns the context of a run, its mixture and caches opened.

    Raises:
        CacheError: a table or an index is missing or has other columns.
    """
    return Context(
        run=run,
        rank=rank,
        world_size=world_size,
        mixture=read_cache_table(run.mixture, MIXTURE),
        texts=TensorCache(run.text_cache),
        latents=TensorCache(run.latent_cache),
        device=local_device(),
    )


class Stage:
    """Flow matching on batches of a mixture (report 3.3 to 3.5). Other stages override what differs."""

    def __init__(self, context: Context, config: StageConfig) -> None:
        self.context = context
        self.config = config
        self.sampler = self.open_sampler()

    def open_sampler(self) -> BucketSampler:
        """Returns what draws the stage's rows."""
        return BucketSampler(
            self.context.mixture,
            batch_size=self.config.batch_size,
            balance_by=self.config.balance_by,
            seed=self.config.seed,
            world_size=self.context.world_size,
        )

    def loss(self, model: torch.nn.Module, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns this rank's loss at a step, and figures to log beside it."""
        batch = self.context.collate(self.sampler.batch(step, self.context.rank))
        noise, sigma, weight = self.noise_levels(batch.target, step, exponent=self.exponent(step))
        return (flow_matching_error(model, batch, noise, sigma) * weight).mean(), {}

    def noise_levels(
        self, clean: torch.Tensor, step: int, *, exponent: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns noise like `clean`, stratified noise levels (B,) and their loss weights (B,) for a step."""
        rank, config = self.context.rank, self.config
        generator = torch_generator(config.seed, "noise", step, rank)
        uniform = stratified_uniform(step, rank, self.context.world_size, batch=len(clean), seed=config.seed)
        mu = shift_of(config, clean)
        sigma = sigma_from_uniform(uniform, exponent=exponent, mu=mu)
        weight = torch.ones_like(sigma)
        if config.loss_weight is not None:
            law = config.loss_weight
            weight = loss_weight(sigma, mean=law.mean, std=law.std, floor=law.floor, exponent=exponent, mu=mu)
        noise = torch.randn(clean.shape, generator=generator)
        return noise.to(clean.device), sigma.to(clean.device), weight.to(clean.device)

    def exponent(self, step: int) -> float:  # noqa: ARG002 only pre-training changes with the step
        """Returns the exponent of the noise density at a step; 1 is uniform."""
        return 1.0

    def finish_step(self, engine: Engine, step: int) -> None:
        """Follows the optimizer's step `step`, counted from 0."""

    def result_shards(self) -> list[torch.Tensor] | None:
        """Returns the weights that are the stage's result, where they aren't the trained ones themselves."""
        return None

    def state(self) -> dict[str, torch.Tensor]:
        """Returns this rank's tensors that a checkpoint must keep beside weights and optimizer."""
        return {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Takes back what `state` returned."""

    def first_seen(self) -> pl.DataFrame:
        """Returns the samples that the finished stage has trained on, with the step of each (from 1)."""
        return self.sampler.first_seen(self.config.steps)


def flow_matching_error(
    model: torch.nn.Module, batch: Batch, noise: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Returns the squared error of the velocity that the model predicts, (B,).

    Args:
        model: predicts.
        batch: B samples.
        noise: like the batch's targets.
        sigma: noise levels (B,) at which the targets are shown.
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
    """Returns clean latents (B, C, h, w), sampled with the stage's number of steps and its shift."""
    return sample(
        policy,
        initial_noise(keys, batch.target.shape[1:], config.seed).to(batch.target.device),
        batch.references,
        text=batch.text,
        text_mask=batch.text_mask,
        sigmas=sigma_schedule(config.sampling_steps, shift_of(config, batch.target)).to(batch.target.device),
    )


def shift_of(config: StageConfig, latents: torch.Tensor) -> float:
    """Returns the resolution shift for targets like these latents (B, C, h, w); 0 without one."""
    shift = config.resolution_shift
    return shift.mu(latents.shape[2] * latents.shape[3] // PATCH**2) if shift else 0.0


def edit_rows(mixture: pl.DataFrame, split: str) -> pl.DataFrame:
    """Returns the rows whose result is known from a source: edits of one split."""
    return mixture.filter((pl.col("task") == "i2i") & (pl.col("split") == split))
