import pytest
from pydantic import ValidationError
from toy_run import stage_run

from trainers.config import StageRun, evaluator_weight


def test_a_run_survives_its_json(tmp_path):
    for stage in ("pretrain", "ct", "sft"):
        run = stage_run(tmp_path, stage, tmp_path / "out")
        assert StageRun.model_validate_json(run.model_dump_json()) == run
        assert run.config.stage == stage


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("pretrain", {"steps": 0}, "steps"),
        ("pretrain", {"zero_stage": 0}, "zero_stage"),
        ("pretrain", {"precision": "fp16"}, "precision"),
        ("pretrain", {"warmup_steps": 6}, "warmup_steps 6 must be less than steps 6"),
        ("pretrain", {"ema_decay": 0.9}, "ema_decay"),
        ("ct", {"balance_by": ()}, "balance_by"),
        ("ct", {"balance_by": ("colour",)}, "balance_by"),
        ("sft", {"ema_decay": 1.0}, "ema_decay"),
        ("nft", {"batch_size": 5}, "not a multiple of samples_per_prompt 2"),
        ("dpo", {"omega": 0.5}, "omega"),
    ],
)
def test_a_setting_that_cannot_work_is_named(tmp_path, stage, changes, message):
    with pytest.raises(ValidationError, match=message):
        stage_run(tmp_path, stage, tmp_path, tmp_path / "final", **changes)


@pytest.mark.parametrize("stage", ["dpo", "nft"])
def test_alignment_needs_a_trained_model(tmp_path, stage):
    with pytest.raises(ValidationError, match=f"{stage} starts from a trained model"):
        stage_run(tmp_path, stage, tmp_path, None)


def test_rewards_of_the_evaluator_need_it_and_the_codec_both(tmp_path):
    run = stage_run(tmp_path, "nft", tmp_path, tmp_path).model_dump()
    run["config"]["evaluator_weight"] = 0.5
    both = {"evaluator": tmp_path, "codec": tmp_path}
    for missing in both:
        with pytest.raises(ValidationError, match="evaluator or codec is null"):
            StageRun.model_validate({**run, **both, missing: None})
    assert StageRun.model_validate({**run, **both}).evaluator == tmp_path


def test_an_unknown_stage_is_refused(tmp_path):
    run = stage_run(tmp_path, "ct", tmp_path).model_dump()
    run["config"]["stage"] = "rlhf"
    with pytest.raises(ValidationError, match="rlhf"):
        StageRun.model_validate(run)


def test_only_rewarded_stages_weigh_the_evaluator(tmp_path):
    assert evaluator_weight(stage_run(tmp_path, "sft", tmp_path).config) == 0
    assert evaluator_weight(stage_run(tmp_path, "nft", tmp_path, tmp_path).config) == 0
