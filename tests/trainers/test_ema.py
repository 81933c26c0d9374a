import numpy as np
import pytest
import torch

from trainers.ema import WeightAverage, ema_decay


def test_decay_warms_up_to_its_value():
    decays = [ema_decay(step, 0.99) for step in (0, 1, 10, 100, 880, 890, 5000)]
    assert decays[:3] == [0.1, 2 / 11, 11 / 20]
    assert decays == sorted(decays)
    assert decays[-3] < decays[-2] == 0.99
    assert max(decays) == 0.99


def test_average_is_the_recurrence_in_float64():
    generator = np.random.default_rng(0)
    path = generator.normal(size=(50, 7))
    average = WeightAverage([torch.from_numpy(path[0]).float()], decay=0.9)
    expected = path[0].astype(np.float64)
    for step in range(1, 50):
        average.update([torch.from_numpy(path[step]).float()], step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * path[step]
    np.testing.assert_allclose(average.shards[0], expected, rtol=1e-4)


def test_small_steps_are_not_lost():
    # In bfloat16 this average would stay at 1.0 for ever: each change is below half a unit in the last place.
    average = WeightAverage([torch.ones(1)], decay=0.999)
    average.shards[0].fill_(1.0)
    for _ in range(1000):
        average.update([torch.tensor([1.02])], 10_000)
    assert float(average.shards[0]) == pytest.approx(1.0126, abs=1e-3)


def test_average_comes_back_from_a_checkpoint():
    one = WeightAverage([torch.randn(3), torch.randn(2)], decay=0.9)
    two = WeightAverage([torch.zeros(3), torch.zeros(2)], decay=0.9)
    two.restore({name: tensor.clone() for name, tensor in one.state().items()})
    assert all(torch.equal(*shards) for shards in zip(one.shards, two.shards, strict=True))


def test_average_does_not_follow_its_masters_by_itself():
    master = torch.ones(2)
    average = WeightAverage([master], decay=0.9)
    master.zero_()
    assert average.shards[0].tolist() == [1, 1]
