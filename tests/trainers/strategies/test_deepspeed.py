import numpy as np
import pytest
import torch
from toy_run import EDITOR, stage_run

from models.editor.config import EditorConfig
from models.editor.transformer import build_editor, predict_velocity
from trainers.ema import WeightAverage
from trainers.strategies.deepspeed import DeepSpeedStrategy, from_first_rank, sum_over_ranks

CONFIG = EditorConfig(**EDITOR)


def batch():
    generator = torch.Generator().manual_seed(0)
    noisy, reference, target = torch.randn(3, 4, 4, 2, 2, generator=generator)
    text = torch.randn(4, 3, 8, generator=generator)
    return noisy, reference, target, text


def loss_of(model):
    noisy, reference, target, text = batch()
    mask = torch.ones(4, 3, dtype=torch.bool)
    sigma = torch.linspace(0.1, 0.9, 4)
    velocity = predict_velocity(model, noisy, [reference], text=text, text_mask=mask, sigma=sigma)
    return (velocity - target).pow(2).mean()


def engine_of(tmp_path, **changes):
    config = stage_run(tmp_path, "pretrain", tmp_path, **changes).config
    return DeepSpeedStrategy(build_editor(CONFIG, seed=3), config, world_size=1)


@pytest.fixture(scope="module")
def by_hand():
    """Losses, gradient norms and weights of three steps of Torch alone."""
    model = build_editor(CONFIG, seed=3)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2, betas=(0.9, 0.99), weight_decay=0.01)
    losses, norms = [], []
    for rate in (5e-3, 1e-2, 7e-3):
        loss = loss_of(model)
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trainable, 0.1)))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, norms, model.state_dict()


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_every_zero_stage_takes_the_steps_of_plain_adamw(one_rank, by_hand, tmp_path, zero_stage):
    engine = engine_of(tmp_path, zero_stage=zero_stage, gradient_clip=0.1)
    losses, norms = [], []
    for rate in (5e-3, 1e-2, 7e-3):
        loss = loss_of(engine.model)
        norms.append(engine.step(loss, rate))
        losses.append(float(loss.detach()))
    np.testing.assert_allclose(losses, by_hand[0], rtol=1e-5)
    np.testing.assert_allclose(norms, by_hand[1], rtol=1e-4)
    weights = engine.full_weights()
    assert weights.keys() == by_hand[2].keys()
    for name, expected in by_hand[2].items():
        np.testing.assert_allclose(weights[name], expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_bfloat16_follows_float32_masters(one_rank, by_hand, tmp_path, zero_stage):
    engine = engine_of(tmp_path, zero_stage=zero_stage, precision="bf16", gradient_clip=0.1)
    losses = []
    for rate in (5e-3, 1e-2, 7e-3):
        loss = loss_of(engine.model)
        engine.step(loss, rate)
        losses.append(float(loss.detach()))
    np.testing.assert_allclose(losses, by_hand[0], rtol=0.02)
    assert next(engine.model.module.parameters()).dtype == torch.bfloat16
    assert all(shard.dtype == torch.float32 for shard in engine.master_shards())
    weights = engine.full_weights()
    assert any(not torch.equal(value, value.bfloat16().float()) for value in weights.values()), (
        "not the masters"
    )


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_average_of_shards_is_the_average_of_all_weights(one_rank, tmp_path, zero_stage):
    engine = engine_of(tmp_path, zero_stage=zero_stage)
    average = WeightAverage(engine.master_shards(), decay=0.5)
    expected = engine.full_weights()
    for step in range(1, 5):
        engine.step(loss_of(engine.model), 1e-2)
        average.update(engine.master_shards(), step)
        share = 1 - min(0.5, (1 + step) / (10 + step))
        expected = {name: value.lerp(engine.full_weights()[name], share) for name, value in expected.items()}
    trained = engine.full_weights()
    found = engine.full_weights(average.shards)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    again = engine.full_weights()
    assert all(torch.equal(again[name], value) for name, value in trained.items()), (
        "training must go on unharmed"
    )


def test_frozen_tensors_keep_their_values(one_rank, tmp_path):
    engine = engine_of(tmp_path)
    before = build_editor(CONFIG, seed=3).state_dict()
    engine.step(loss_of(engine.model), 1e-2)
    frozen = [name for name, value in engine.model.module.named_parameters() if not value.requires_grad]
    assert len(frozen) == 6
    assert all(torch.equal(engine.full_weights()[name], before[name]) for name in frozen)


def test_figures_of_the_ranks_come_together(one_rank):
    assert sum_over_ranks([1.5, -2.0]) == [1.5, -2.0]
    assert from_first_rank(7) == 7
