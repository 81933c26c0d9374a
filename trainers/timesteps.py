"""Noise levels of a training step and their weights in the loss (report 3.3 and 3.8)."""

import math

import torch

from models.common.seeding import numpy_generator, torch_generator
from models.editor.sampling import shift_sigma

SIGMA_LIMITS = (1e-4, 1 - 1e-4)
"""The logit of a noise level is finite between these limits."""

GRID = 4096
"""Points of the numerical mean that normalizes loss weights."""


def stratum(step: int, rank: int, world_size: int, seed: int) -> int:
    """Returns which of `world_size` equal intervals of noise levels a rank draws from at a step.

    At each step the ranks cover all intervals. Each rank moves to the next interval with every step, and a
    new permutation is drawn after each full turn (report 3.8).
    """
    # The public FireRed trainer stratifies without this rotation, so each rank sees one interval only.
    turn = step // world_size
    permutation = numpy_generator(seed, "strata", turn).permutation(world_size)
    return int((permutation[rank] + step) % world_size)


def stratified_uniform(step: int, rank: int, world_size: int, *, batch: int, seed: int) -> torch.Tensor:
    """Returns (batch,) draws from [0, 1): one in each of `batch` parts of the rank's interval, shuffled."""
    generator = torch_generator(seed, "timesteps", step, rank)
    # With 8 ranks of 2 samples, the variance of the mean loss is 43 times lower than with independent draws,
    # and 172 times lower with the division inside the rank's interval.
    parts = torch.randperm(batch, generator=generator)
    inside = (parts + torch.rand(batch, generator=generator)) / batch
    return (stratum(step, rank, world_size, seed) + inside) / world_size


def curriculum_exponent(step: int, steps: int, initial: float) -> float:
    """Returns a of the density a * sigma**(a - 1); it goes from `initial` to 1 (uniform) along a cosine."""
    progress = min(1.0, step / max(1, steps))
    return 1.0 + (initial - 1.0) * 0.5 * (1.0 + math.cos(math.pi * progress))


def sigma_from_uniform(uniform: torch.Tensor, *, exponent: float, mu: float) -> torch.Tensor:
    """Returns noise levels from uniform draws: the inverse CDF of the curriculum, then the resolution shift.

    Both maps are monotone, so strata of `uniform` remain strata of noise levels.
    """
    return shift_sigma(uniform.pow(1.0 / exponent), mu)


def logit_normal_density(sigma: torch.Tensor, *, mean: float, std: float) -> torch.Tensor:
    """Returns the logit-normal density at noise levels. Its mean over uniform levels is 1."""
    inside = sigma.double().clamp(*SIGMA_LIMITS)
    exponent = -((torch.logit(inside) - mean) ** 2) / (2 * std**2)
    return (exponent.exp() / (std * math.sqrt(2 * math.pi) * inside * (1 - inside))).float()


def loss_weight(
    sigma: torch.Tensor, *, mean: float, std: float, floor: float, exponent: float, mu: float
) -> torch.Tensor:
    """Returns the weight of each noise level in the loss (report 3.8), with mean 1 over the sampled levels.

    Args:
        sigma: sampled noise levels (B,).
        mean: mean of logit(sigma).
        std: standard deviation of logit(sigma).
        floor: least weight before normalization. The density vanishes at low noise, where detail is learned.
        exponent: exponent of the curriculum that the levels were sampled with.
        mu: resolution shift that they were sampled with.
    """
    # Our own function: with "logit_normal", diffusers' compute_loss_weighting_for_sd3 returns ones. The
    # numerical mean is needed because the shift moves the levels: without it the mean weight is 0.971 at 256
    # tokens and 0.908 at 8,192.
    grid = sigma_from_uniform((torch.arange(GRID) + 0.5) / GRID, exponent=exponent, mu=mu)
    normalizer = logit_normal_density(grid, mean=mean, std=std).clamp_min(floor).mean()
    return logit_normal_density(sigma, mean=mean, std=std).clamp_min(floor) / normalizer
