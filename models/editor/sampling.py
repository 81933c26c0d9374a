"""Euler sampling from noise, used for validation, rollouts and the benchmark."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from models.common.seeding import torch_generator
from models.editor.transformer import predict_velocity


def shift_sigma(sigma: torch.Tensor, mu: float) -> torch.Tensor:
    """Returns noise levels after the exponential shift, logit(sigma) + mu; 0 and 1 do not change."""
    return sigma * math.exp(mu) / (1 + sigma * (math.exp(mu) - 1))


def sigma_schedule(steps: int, mu: float = 0.0) -> torch.Tensor:
    """Returns (steps + 1,) noise levels from 1 to 0, as FlowMatchEulerDiscreteScheduler sets them."""
    return torch.cat([shift_sigma(torch.linspace(1, 1 / steps, steps), mu), torch.zeros(1)])


def initial_noise(keys: Sequence[str], shape: Sequence[int], seed: int) -> torch.Tensor:
    """Returns noise (B, *shape); the noise of a sample depends on its key and the seed, not on the batch."""
    return torch.stack([torch.randn(*shape, generator=torch_generator(seed, "noise", key)) for key in keys])


@torch.no_grad()
def sample(
    transformer: torch.nn.Module,
    noise: torch.Tensor,
    references: Sequence[torch.Tensor],
    *,
    text: torch.Tensor,
    text_mask: torch.Tensor,
    sigmas: torch.Tensor,
) -> torch.Tensor:
    """Returns clean latents (B, C, h, w) by Euler steps along the predicted velocity.

    Args:
        transformer: the editor.
        noise: (B, C, h, w) from `initial_noise`.
        references: as in `predict_velocity`.
        text: as in `predict_velocity`.
        text_mask: as in `predict_velocity`.
        sigmas: from `sigma_schedule`.
    """
    latents = noise
    for current, following in pairwise(sigmas):
        velocity = predict_velocity(
            transformer,
            latents,
            references,
            text=text,
            text_mask=text_mask,
            sigma=current.expand(len(latents)),
        )
        latents = latents + (following - current) * velocity
    return latents
