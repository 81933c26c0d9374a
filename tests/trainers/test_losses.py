import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.losses import add_noise, negative_aware_loss, preference_loss, squared_error

values = st.floats(0.01, 3)


def dpo(winner, loser, winner_reference=1.0, loser_reference=1.0, *, beta=5.0, omega=1.0, anchor=0.0):
    tensors = [torch.as_tensor([value], dtype=torch.float64) for value in (winner, loser)]
    references = [torch.tensor([value], dtype=torch.float64) for value in (winner_reference, loser_reference)]
    return preference_loss(*tensors, *references, beta=beta, omega=omega, anchor=anchor)


def test_noise_levels_zero_and_one_are_the_ends():
    clean, noise = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    noisy = add_noise(clean, noise, torch.tensor([0.0, 1.0, 0.25]))
    assert torch.equal(noisy[0], clean[0])
    assert torch.equal(noisy[1], noise[1])
    np.testing.assert_allclose(noisy[2], 0.75 * clean[2] + 0.25 * noise[2], rtol=1e-5)


def test_error_is_per_sample_and_in_float32():
    predicted = torch.zeros(2, 1, 2, 2, dtype=torch.bfloat16)
    expected = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert squared_error(predicted, expected).tolist() == [1.0, 9.0]
    assert squared_error(predicted, expected).dtype == torch.float32


def test_equal_to_its_reference_a_policy_loses_log_two():
    assert float(dpo(1.0, 1.0)) == math.log(2)


@given(values, values, values, values)
def test_without_reinforcement_it_is_diffusion_dpo(winner, loser, winner_reference, loser_reference):
    # Wallace et al. 2023, equation 14, in errors: -log sigmoid(-beta * (winner change - loser change)).
    inside = 5.0 * ((winner - winner_reference) - (loser - loser_reference))
    expected = np.log1p(np.exp(inside))
    assert float(dpo(winner, loser, winner_reference, loser_reference)) == pytest.approx(expected, rel=1e-6)


@given(values, values, st.floats(1, 3), st.floats(0, 2))
def test_gradients_are_those_of_the_closed_form(winner, loser, omega, anchor):
    beta = 5.0
    tensors = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (winner, loser)]
    reference = torch.ones(1, dtype=torch.float64)
    preference_loss(*tensors, reference, reference, beta=beta, omega=omega, anchor=anchor).backward()
    margin = beta * ((loser - 1) - omega * (winner - 1))
    weight = 1 / (1 + math.exp(margin))
    assert float(tensors[0].grad) == pytest.approx(weight * beta * omega + anchor, rel=1e-6)
    assert float(tensors[1].grad) == pytest.approx(-weight * beta, rel=1e-6)


@given(values, values, st.floats(1, 3), st.floats(0, 2))
def test_loss_rises_with_the_winners_error_and_falls_with_the_losers(winner, loser, omega, anchor):
    now = float(dpo(winner, loser, omega=omega, anchor=anchor))
    assert float(dpo(winner + 0.01, loser, omega=omega, anchor=anchor)) > now
    assert float(dpo(winner, loser + 0.01, omega=omega, anchor=anchor)) < now


def test_degrading_both_costs_only_with_omega_above_one():
    assert float(dpo(1.02, 1.02, beta=50, omega=1.0)) == pytest.approx(math.log(2))
    assert float(dpo(1.02, 1.02, beta=50, omega=1.5)) == pytest.approx(0.974, abs=1e-3)
    assert float(dpo(0.98, 0.98, beta=50, omega=1.5)) == pytest.approx(0.474, abs=1e-3)


def test_swapping_winner_and_loser_flips_the_margin():
    one, other = float(dpo(0.8, 1.1)), float(dpo(1.1, 0.8))
    assert math.log(math.expm1(other)) == pytest.approx(-math.log(math.expm1(one)))


def train_pair(sign):
    """Trains shared parameters on a winner and a loser target; returns how both errors changed."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 6, generator=generator)
    winner_target, loser_target = inputs @ torch.randn(2, 6, 3, generator=generator)
    weight = torch.zeros(6, 3, requires_grad=True)

    def errors():
        return tuple((inputs @ weight - target).pow(2).mean(1) for target in (winner_target, loser_target))

    start = [error.detach() for error in errors()]
    for _ in range(30):
        winner, loser = errors()
        loss = preference_loss(winner, loser, *start, beta=1.0, omega=1.5, anchor=0.0) + sign * winner.mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            weight -= 0.05 * gradient
    return tuple(float((end - begin).detach().mean()) for end, begin in zip(errors(), start, strict=True))


def test_training_lowers_the_winners_error_and_the_printed_sign_would_not():
    winner, loser = train_pair(sign=1.0)
    assert winner < 0
    assert loser > winner
    printed, _ = train_pair(sign=-8.0)
    assert printed > 0


def nft(velocity, old, target, good, beta=1.0):
    good = torch.full((len(velocity),), good, dtype=torch.float64)
    return negative_aware_loss(velocity, old, target, good, beta=beta)


@pytest.fixture
def fields():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, 2, 4, 4, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_nft_is_its_closed_form(fields, beta):
    velocity, old, target = fields
    difference, miss = velocity - old, old - target
    for good in (0.0, 0.3, 0.5, 1.0):
        cross = (2 * beta * (2 * good - 1) * difference * miss).flatten(1).mean(1)
        expected = miss.pow(2).flatten(1).mean(1) + cross + (beta * difference).pow(2).flatten(1).mean(1)
        np.testing.assert_allclose(nft(velocity, old, target, good, beta), expected / beta, rtol=1e-5)


def test_fully_good_samples_at_beta_one_are_plain_flow_matching(fields):
    velocity, old, target = fields
    expected = (velocity - target).pow(2).flatten(1).mean(1)
    np.testing.assert_allclose(nft(velocity, old, target, 1.0), expected, rtol=1e-5)


def test_even_odds_leave_the_old_policy_where_it_is(fields):
    _, old, target = fields
    velocity = old.clone().requires_grad_(True)
    nft(velocity, old, target, 0.5).sum().backward()
    np.testing.assert_allclose(velocity.grad, 0, atol=1e-12)


@pytest.mark.parametrize(("good", "beta"), [(0.9, 1.0), (0.2, 1.0), (0.7, 0.1)])
def test_the_optimum_moves_by_the_reward_over_beta(fields, good, beta):
    _, old, target = fields
    optimum = old + (2 * good - 1) * (target - old) / beta
    velocity = optimum.clone().requires_grad_(True)
    nft(velocity, old, target, good, beta).sum().backward()
    np.testing.assert_allclose(velocity.grad, 0, atol=1e-6)


def test_the_value_at_the_old_policy_does_not_depend_on_the_reward(fields):
    _, old, target = fields
    np.testing.assert_allclose(nft(old, old, target, 0.1), nft(old, old, target, 0.9), rtol=1e-5)
