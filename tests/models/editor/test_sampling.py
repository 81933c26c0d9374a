import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from models.editor import sampling
from models.editor.config import EditorConfig, ResolutionShift
from models.editor.sampling import initial_noise, sample, shift_sigma, sigma_schedule
from models.editor.transformer import build_editor

QWEN = ResolutionShift(base_tokens=256, max_tokens=8192, base_mu=0.5, max_mu=0.9)


@pytest.mark.parametrize(("steps", "tokens"), [(8, None), (1, None), (30, 256), (8, 4096)])
def test_schedule_is_that_of_diffusers(steps, tokens):
    mu = 0.0 if tokens is None else QWEN.mu(tokens)
    oracle = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type="exponential")
    oracle.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps).tolist(), mu=mu)
    np.testing.assert_allclose(sigma_schedule(steps, mu), oracle.sigmas, atol=1e-6)


def test_shift_of_qwen_image_at_one_megapixel():
    assert QWEN.mu(4096) == pytest.approx(0.694, abs=5e-4)
    assert float(shift_sigma(torch.tensor(0.5), QWEN.mu(4096))) == pytest.approx(0.667, abs=5e-4)


@given(st.floats(0, 1), st.floats(-3, 3))
def test_shift_keeps_the_ends_and_adds_mu_to_the_logit(sigma, mu):
    moved = float(shift_sigma(torch.tensor(sigma, dtype=torch.float64), mu))
    assert 0 <= moved <= 1 + 1e-15
    if 1e-6 < sigma < 1 - 1e-6:
        assert np.log(moved / (1 - moved)) == pytest.approx(np.log(sigma / (1 - sigma)) + mu, abs=1e-6)


def test_noise_of_a_sample_does_not_depend_on_its_batch():
    together = initial_noise(["a", "b", "c"], (2, 4, 4), seed=7)
    assert torch.equal(initial_noise(["c", "a"], (2, 4, 4), seed=7), together[[2, 0]])
    assert not torch.equal(initial_noise(["a"], (2, 4, 4), seed=8), together[:1])


def test_a_straight_flow_is_followed_to_its_end(monkeypatch):
    target = torch.randn(3, 2, 4, 4)
    noise = torch.randn(3, 2, 4, 4)

    def straight(transformer, noisy, references, *, text, text_mask, sigma):
        return noise - target  # the exact velocity of this pair, everywhere on its line

    monkeypatch.setattr(sampling, "predict_velocity", straight)
    for steps in (1, 5):
        text = torch.zeros(3, 1, 8)
        found = sample(
            torch.nn.Identity(),
            noise,
            [],
            text=text,
            text_mask=text[..., 0] == 0,
            sigmas=sigma_schedule(steps),
        )
        np.testing.assert_allclose(found, target, atol=1e-5)


def test_each_step_is_told_its_own_noise_level(monkeypatch):
    levels = []

    def note(transformer, noisy, references, *, text, text_mask, sigma):
        levels.append(sigma.tolist())
        return torch.zeros_like(noisy)

    monkeypatch.setattr(sampling, "predict_velocity", note)
    text = torch.zeros(2, 1, 8)
    sample(
        torch.nn.Identity(),
        torch.zeros(2, 4, 4, 4),
        [],
        text=text,
        text_mask=text[..., 0] == 0,
        sigmas=sigma_schedule(4),
    )
    assert levels == [[1.0, 1.0], [0.75, 0.75], [0.5, 0.5], [0.25, 0.25]]


def test_batch_composition_does_not_change_a_sample():
    config = EditorConfig(
        latent_channels=4,
        layers=1,
        heads=2,
        head_dim=16,
        text_dim=8,
        rope_axes=(4, 6, 6),
        zero_cond_t=False,
    )
    editor = build_editor(config, seed=0)
    reference, text = torch.randn(3, 4, 4, 4), torch.randn(3, 5, 8)
    mask = torch.ones(3, 5, dtype=torch.bool)

    def run(places):
        noise = initial_noise([str(place) for place in places], (4, 4, 4), seed=0)
        return sample(
            editor,
            noise,
            [reference[places]],
            text=text[places],
            text_mask=mask[places],
            sigmas=sigma_schedule(4),
        )

    np.testing.assert_allclose(run([2]), run([0, 1, 2])[2:], atol=1e-4)
