"""The losses of the training stages as functions of velocities, computed in float32."""

import torch
import torch.nn.functional as F


def add_noise(clean: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Returns (1 - sigma) * clean + sigma * noise for latents (B, C, h, w) and noise levels (B,)."""
    level = sigma.view(-1, 1, 1, 1)
    return (1 - level) * clean + level * noise


def squared_error(predicted: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Returns the mean squared error of each sample, (B,)."""
    # Float32: the resolution of bfloat16 at 1.0 is 0.0078, more than a typical difference between the errors
    # of policy and reference in DPO.
    return (predicted.float() - expected.float()).pow(2).flatten(1).mean(1)


def preference_loss(
    winner_error: torch.Tensor,
    loser_error: torch.Tensor,
    winner_reference: torch.Tensor,
    loser_reference: torch.Tensor,
    *,
    beta: float,
    omega: float,
    anchor: float,
) -> torch.Tensor:
    """Returns the mean DPO loss with positive sample reinforcement (report equation 2, its signs corrected).

        -log sigmoid(beta * ((L_l - L_l_ref) - omega * (L_w - L_w_ref))) + anchor * L_w

    As printed, equation 2 subtracts the anchor from a loss that is minimized, which rewards a growing L_w
    without bound. It also leaves omega outside beta, which makes the winner's term negligible: with beta
    2,000 and omega 1.5, the winner's gradient is 7.5e-4 of the loser's.

    Args:
        winner_error: flow matching errors L_w of the policy on winners, (B,).
        loser_error: the same on losers.
        winner_reference: the errors of the frozen reference on the same winners, noise and noise levels.
        loser_reference: the same on losers.
        beta: sharpness of the preference.
        omega: weight of the winner's term, at least 1. With 1, the loss doesn't change if both errors grow by
            the same amount; above 1, it grows ("double degradation" in the report).
        anchor: weight of the winner's own flow matching loss (lambda in the report).
    """
    margin = beta * ((loser_error - loser_reference) - omega * (winner_error - winner_reference))
    return (-F.logsigmoid(margin) + anchor * winner_error).mean()


def negative_aware_loss(
    velocity: torch.Tensor,
    old_velocity: torch.Tensor,
    target_velocity: torch.Tensor,
    optimality: torch.Tensor,
    *,
    beta: float,
) -> torch.Tensor:
    """Returns the DiffusionNFT loss of each sample, (B,): report equation 3, divided by beta.

    The implicit policies are v+ = (1 - beta) * v_old + beta * v and v- = (1 + beta) * v_old - beta * v.
    Without the division, beta would also scale the gradient and so the effective learning rate. The value of
    the loss at v = v_old doesn't depend on the rewards, so it doesn't measure progress.

    Args:
        velocity: velocity of the policy, (B, C, h, w).
        old_velocity: velocity of the sampling policy at the same inputs, without gradient.
        target_velocity: noise minus the sampled latent.
        optimality: r in [0, 1] of each sample, (B,).
        beta: 1 / beta is the strength of guidance.
    """
    positive = squared_error((1 - beta) * old_velocity + beta * velocity, target_velocity)
    negative = squared_error((1 + beta) * old_velocity - beta * velocity, target_velocity)
    return (optimality * positive + (1 - optimality) * negative) / beta
