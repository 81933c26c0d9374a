import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.editor.sampling import shift_sigma
from trainers.timesteps import (
    curriculum_exponent,
    logit_normal_density,
    loss_weight,
    sigma_from_uniform,
    stratified_uniform,
    stratum,
)


@given(st.integers(0, 10_000), st.integers(1, 16), st.integers(0, 5))
def test_at_every_step_the_ranks_cover_all_strata(step, world, seed):
    assert {stratum(step, rank, world, seed) for rank in range(world)} == set(range(world))


def test_every_rank_visits_all_strata_equally():
    world, steps = 8, 4000
    for rank in range(world):
        counts = np.bincount([stratum(step, rank, world, 0) for step in range(steps)], minlength=world)
        assert stats.chisquare(counts).pvalue > 0.001, f"rank {rank} prefers a noise level: {counts}"


def test_ranks_do_not_rotate_in_lockstep():
    neighbours = {(stratum(step, 0, 4, 0) - stratum(step, 1, 4, 0)) % 4 for step in range(400)}
    assert neighbours == {1, 2, 3}


@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 16))
def test_a_global_batch_has_one_draw_in_each_part(step, world, batch):
    draws = torch.cat([stratified_uniform(step, rank, world, batch=batch, seed=3) for rank in range(world)])
    parts = (draws.double() * world * batch).floor().long().clamp(max=world * batch - 1)
    # A draw on the very edge of its part may round over it in float32.
    assert len(set(parts.tolist())) >= world * batch - 1
    assert float(draws.min()) >= 0
    assert float(draws.max()) <= 1


def test_noise_levels_of_consecutive_steps_differ():
    draws = [tuple(stratified_uniform(step, 0, 2, batch=4, seed=0).tolist()) for step in range(50)]
    assert len(set(draws)) == 50


def test_stratification_lowers_the_variance_of_a_mean_loss():
    def mean(step, rank_draws):
        return float(torch.cat(rank_draws).pow(2).mean())

    stratified = [
        mean(step, [stratified_uniform(step, rank, 8, batch=2, seed=0) for rank in range(8)])
        for step in range(300)
    ]
    generator = torch.Generator().manual_seed(0)
    free = [mean(step, [torch.rand(16, generator=generator)]) for step in range(300)]
    assert np.var(stratified) < np.var(free) / 40


def test_curriculum_goes_from_its_exponent_to_uniform():
    values = [curriculum_exponent(step, 100, 3.0) for step in range(101)]
    assert values[0] == 3.0
    assert values[50] == pytest.approx(2.0)
    assert values[100] == 1.0
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("exponent", [1.0, 2.5])
def test_noise_levels_follow_the_curriculums_density(exponent):
    uniform = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    sigma = sigma_from_uniform(uniform, exponent=exponent, mu=0.0).numpy()
    # The density a * s**(a-1) has the distribution function s**a.
    assert stats.kstest(sigma, lambda level: level**exponent).statistic < 1e-3


def test_noise_levels_keep_the_order_of_their_strata():
    uniform = torch.linspace(0, 1, 100)
    sigma = sigma_from_uniform(uniform, exponent=2.0, mu=0.7)
    assert bool((sigma.diff() > 0).all())
    assert sigma[[0, -1]].tolist() == [0.0, 1.0]


def test_weight_is_scipys_density_of_the_logit_normal_law():
    sigma = torch.linspace(0.01, 0.99, 50)
    logit = np.log(sigma / (1 - sigma))
    expected = stats.norm.pdf(logit, 0.3, 0.8) / (sigma * (1 - sigma))
    np.testing.assert_allclose(logit_normal_density(sigma, mean=0.3, std=0.8), expected, rtol=1e-4)


def test_published_figures_of_the_weight():
    grid = (torch.arange(100_000) + 0.5) / 100_000
    density = logit_normal_density(grid, mean=0.0, std=1.0)
    assert float(density.mean()) == pytest.approx(1.0, abs=1e-3)
    assert float(density.max()) == pytest.approx(1.60, abs=0.01)
    for tokens, expected in ((256, 0.971), (4096, 0.944), (8192, 0.908)):
        mu = 0.5 + 0.4 * (tokens - 256) / (8192 - 256)
        shifted = logit_normal_density(shift_sigma(grid, mu), mean=0.0, std=1.0)
        assert float(shifted.mean()) == pytest.approx(expected, abs=2e-3)


@given(st.floats(1, 3), st.floats(0, 1.5), st.floats(0, 0.5))
def test_mean_weight_over_what_is_sampled_is_one(exponent, mu, floor):
    uniform = (torch.arange(4096) + 0.5) / 4096
    sigma = sigma_from_uniform(uniform, exponent=exponent, mu=mu)
    weight = loss_weight(sigma, mean=0.0, std=1.0, floor=floor, exponent=exponent, mu=mu)
    assert float(weight.mean()) == pytest.approx(1.0, abs=1e-3)


def test_the_floor_keeps_the_ends_alive():
    ends = torch.tensor([0.0, 1e-6, 0.5, 1.0])
    weight = loss_weight(ends, mean=0.0, std=1.0, floor=0.05, exponent=1.0, mu=0.0)
    assert float(weight.min()) > 0.04
    assert bool(torch.isfinite(weight).all())
    assert math.isclose(float(weight[0]), float(weight[3]), rel_tol=1e-4)
