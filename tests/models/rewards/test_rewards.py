import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.codecs.patch_codec import PatchCodec
from models.rewards.rewards import alignment_reward, blend, group_advantages, optimality, truth_reward


def test_truth_reward_is_one_for_the_truth_and_falls_with_the_error():
    truth = torch.zeros(3, 2, 4, 4)
    samples = torch.stack([torch.zeros(2, 4, 4), torch.full((2, 4, 4), 0.5), torch.full((2, 4, 4), 2.0)])
    np.testing.assert_allclose(truth_reward(samples, truth), np.exp([0, -0.25, -4.0]), rtol=1e-6)


def test_advantages_compare_samples_of_one_prompt_alone():
    rewards = torch.tensor([[0.1, 0.2, 0.3], [0.7, 0.8, 0.9]])
    advantages, informative = group_advantages(rewards)
    np.testing.assert_allclose(advantages, [[-1, 0, 1], [-1, 0, 1]], atol=1e-5)
    assert informative.tolist() == [True, True]


def test_a_group_without_spread_says_nothing():
    advantages, informative = group_advantages(torch.tensor([[0.5, 0.5], [0.1, 0.4]]))
    assert informative.tolist() == [False, True]
    assert advantages[0].tolist() == [0.0, 0.0]


@given(st.floats(-50, 50), st.floats(0.5, 5))
def test_optimality_is_a_probability_and_even_at_no_advantage(advantage, clip):
    found = optimality(torch.tensor([advantage, 0.0, -advantage], dtype=torch.float64), clip=clip)
    assert bool(((found >= 0) & (found <= 1)).all())
    assert float(found[1]) == 0.5
    assert abs(float(found[0] + found[2]) - 1) < 1e-9


def test_blend_is_a_weighted_mean():
    alignment, truth = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.5])
    np.testing.assert_allclose(blend(alignment, truth, evaluator_weight=0.25), [0.25, 0.375])


def test_the_evaluator_sees_decoded_pictures_within_their_range():
    codec = PatchCodec(patch=2, channels=12)
    codec.basis.copy_(torch.eye(12) * 10)
    seen = {}

    class Evaluator:
        def score(self, source, target, instruction):
            seen.update(source=source, target=target, instruction=instruction)
            return torch.tensor([0.25, 0.75])

    samples, source = torch.randn(2, 2, 12, 3, 3)
    instruction = torch.nn.functional.normalize(torch.randn(2, 5), dim=1)
    found = alignment_reward(samples, source, instruction, evaluator=Evaluator(), codec=codec)
    assert found.tolist() == [0.25, 0.75]
    assert seen["source"].shape == seen["target"].shape == (2, 3, 6, 6)
    assert torch.equal(seen["target"], codec.decode(samples).clamp(-1, 1))
    assert torch.equal(seen["source"], codec.decode(source).clamp(-1, 1))
    assert torch.equal(seen["instruction"], instruction)
