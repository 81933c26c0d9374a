"""What DPO and NFT promise beside resuming: tests of the two stages on the toy."""

import numpy as np
import pytest
import torch
from toy_run import stage_run

from models.codecs.patch_codec import PatchCodec
from models.common.seeding import torch_generator
from models.editor.transformer import load_editor
from models.evaluator.pair_evaluator import new_evaluator, save_evaluator
from models.text_encoders.minilm import mean_embedding
from trainers.loop import learning_rate, prepare
from trainers.stages.rollouts import RewardModel, roll_out
from trainers.stages.stage import edit_rows, open_context


def training(toy_data, folder, start, stage, **changes):
    return prepare(open_context(stage_run(toy_data, stage, folder, start, **changes), 0, 1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dpo_starts_at_no_margin_at_all(toy_data, pretrained, tmp_path, precision):
    run = training(toy_data, tmp_path, pretrained, "dpo", anchor=0.0, precision=precision)
    loss, figures = run.stage.loss(run.strategy.model, 0)
    assert float(loss) == pytest.approx(np.log(2), abs=1e-6)
    assert figures == {"winner_change": 0.0, "loser_change": 0.0, "implicit_accuracy": 0.5}


def test_dpo_leaves_its_reference_alone(toy_data, pretrained, tmp_path):
    run = training(toy_data, tmp_path, pretrained, "dpo")
    for step in range(3):
        loss, _ = run.stage.loss(run.strategy.model, step)
        run.strategy.step(loss, 1e-2)
    untouched = load_editor(pretrained).state_dict()
    reference = run.stage._reference.state_dict()
    assert all(torch.equal(reference[name], value) for name, value in untouched.items())
    assert not any(parameter.requires_grad for parameter in run.stage._reference.parameters())


def test_dpo_widens_the_margin(toy_data, pretrained, tmp_path):
    run = training(toy_data, tmp_path, pretrained, "dpo", anchor=0.0, steps=30)
    for step in range(30):
        loss, figures = run.stage.loss(run.strategy.model, step)
        run.strategy.step(loss, 3e-3)
    assert figures["loser_change"] > figures["winner_change"]


def test_nft_rolls_out_once_for_several_updates(toy_data, pretrained, tmp_path):
    run = training(toy_data, tmp_path, pretrained, "nft", steps=8)
    rewards = []
    for step in range(8):
        loss, figures = run.stage.loss(run.strategy.model, step)
        run.strategy.step(loss, 1e-3)
        run.stage.finish_step(run.strategy, step)
        rewards.append(figures["reward"])
    assert len(set(rewards[:4])) == len(set(rewards[4:])) == 1
    assert rewards[0] != rewards[4]


def test_nfts_old_policy_follows_halfway_after_a_rollout(toy_data, pretrained, tmp_path):
    run = training(toy_data, tmp_path, pretrained, "nft")
    start = load_editor(pretrained).state_dict()
    for step in range(4):
        loss, _ = run.stage.loss(run.strategy.model, step)
        run.strategy.step(loss, 1e-2)
        old = {name: value.clone() for name, value in run.stage.state().items()}
        assert all(torch.equal(old[f"old.{name}"], start[name]) for name in start), "it follows too soon"
        run.stage.finish_step(run.strategy, step)
    trained = run.strategy.full_weights()
    for name, value in run.stage.state().items():
        name = name.removeprefix("old.")
        np.testing.assert_allclose(value, (start[name] + trained[name]) / 2, atol=1e-6)


def test_a_sample_of_a_rollout_does_not_depend_on_what_else_is_rolled_out(toy_data, pretrained, tmp_path):
    run = stage_run(toy_data, "nft", tmp_path, pretrained)
    context = open_context(run, 0, 1)
    rows = edit_rows(context.mixture, "train").filter(context_bucket("i2i|1|16x16|short"))
    options = {
        "config": run.config,
        "samples_per_prompt": 2,
        "reward_model": RewardModel(run, 0.0),
        "purpose": "test",
    }
    policy = load_editor(pretrained)
    together = roll_out(context, policy, rows, **options)
    alone = roll_out(context, policy, rows[1:2], **options)
    np.testing.assert_allclose(alone.samples, together.samples[2:4], atol=1e-4)
    np.testing.assert_allclose(alone.rewards[0], together.rewards[1], atol=1e-4)
    assert together.prompts.sample_ids[2:4] == [rows["sample_id"][1]] * 2


def context_bucket(name):
    import polars as pl

    return pl.col("bucket") == name


def test_the_evaluator_has_its_share_in_the_reward(toy_data, pretrained, tmp_path):
    save_evaluator(new_evaluator(0), tmp_path / "evaluator")
    codec = PatchCodec(patch=8, channels=4)
    codec.basis.copy_(torch.randn(4, 192, generator=torch_generator(0, "basis")) / 10)
    codec.save_pretrained(tmp_path / "codec")
    base = stage_run(toy_data, "nft", tmp_path, pretrained)
    run = base.model_copy(update={"evaluator": tmp_path / "evaluator", "codec": tmp_path / "codec"})
    context = open_context(run, 0, 1)
    rows = edit_rows(context.mixture, "train").filter(context_bucket("i2i|1|16x16|short"))
    prompts = context.collate(rows)
    # The toy's text is 8 wide, the evaluator's instruction 384.
    wide = torch.nn.functional.pad(prompts.text, (0, 376))
    prompts = type(prompts)(prompts.sample_ids, prompts.target, prompts.references, wide, prompts.text_mask)
    samples = torch.randn(prompts.target.shape, generator=torch_generator(0, "samples"))
    found = RewardModel(run, 0.25).rewards(samples, prompts)
    pixels = [codec.decode(latents).clamp(-1, 1) for latents in (prompts.references[0], samples)]
    scores = new_evaluator(0).score(*pixels, mean_embedding(prompts.text, prompts.text_mask))
    truth = torch.exp(-(samples - prompts.target).pow(2).flatten(1).mean(1))
    np.testing.assert_allclose(found, 0.25 * scores + 0.75 * truth, rtol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [5, 10, 10, 10]), ("linear", [5, 10, 6, 2]), ("cosine", [5, 10, 6, 2])],
)
def test_learning_rate_warms_up_and_then_follows_its_schedule(tmp_path, schedule, expected):
    changes = {"steps": 10, "warmup_steps": 2, "learning_rate": 10.0, "final_learning_rate": 2.0}
    config = stage_run(tmp_path, "pretrain", tmp_path, schedule=schedule, **changes).config
    found = [learning_rate(config, step, schedule_steps=config.steps) for step in (0, 2, 6, 10)]
    np.testing.assert_allclose(found, expected)
