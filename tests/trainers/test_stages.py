import json

import polars as pl
import pytest
import torch
from toy_run import STAGES, read_weights, stage_run, train_here

from trainers.identity import IdentityChangedError, Layout, claim
from trainers.metrics_file import read_metrics


@pytest.fixture(scope="module")
def straight(toy_data, pretrained, tmp_path_factory):
    """Output folders of undisturbed runs of all stages."""
    outputs = {}
    for stage in STAGES:
        outputs[stage] = tmp_path_factory.mktemp(stage)
        start = None if stage == "pretrain" else pretrained
        assert train_here(stage_run(toy_data, stage, outputs[stage], start))
    return outputs


# Step 3 lies in the middle of NFT's first rollout, step 5 in its second, when the old policy has moved.
@pytest.mark.parametrize(("stage", "stop_at"), [*((stage, 3) for stage in STAGES), ("nft", 5)])
def test_a_stopped_and_resumed_run_ends_at_the_same_bits(
    straight, toy_data, pretrained, tmp_path, stage, stop_at
):
    start = None if stage == "pretrain" else pretrained
    run = stage_run(toy_data, stage, tmp_path, start)
    assert not train_here(run, stop_at=stop_at)
    assert not (tmp_path / "result.json").exists()
    assert train_here(run)
    expected, found = read_weights(straight[stage]), read_weights(tmp_path)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    seen = [pl.read_parquet(folder / "seen.parquet") for folder in (straight[stage], tmp_path)]
    assert seen[0].equals(seen[1])
    lines = [read_metrics(folder / "metrics.jsonl") for folder in (straight[stage], tmp_path)]
    assert [line["step"] for line in lines[1]] == list(range(7))
    for line in lines[0] + lines[1]:
        line.pop("samples_per_second", None)
    assert lines[0] == lines[1]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_leaves_its_result(straight, stage):
    output = straight[stage]
    result = json.loads((output / "result.json").read_text())
    assert result["stage"] == stage
    assert result["steps"] == 6
    assert result["world_size"] == 1
    assert result["zero_stage"] == 2
    assert result["seconds"] > 0
    assert result["mlflow_run_id"] is None
    lines = {line["step"]: line for line in read_metrics(output / "metrics.jsonl")}
    assert result["first_validation_loss"] == lines[0]["validation_loss"]
    assert result["last_validation_loss"] == lines[6]["validation_loss"]
    assert result["last_validation_edit_error"] == lines[6]["validation_edit_error"]
    assert "validation_loss" in lines[3]
    assert "validation_loss" not in lines[4]
    assert (output / "checkpoints" / "latest").read_text() == "step-00000006"
    assert len(list((output / "checkpoints").glob("step-*"))) == 2


@pytest.mark.parametrize("stage", STAGES)
def test_held_out_samples_are_never_trained_on(straight, stage):
    seen = pl.read_parquet(straight[stage] / "seen.parquet")
    assert len(seen)
    assert {int(sample.removeprefix("sample")) for sample in seen["sample_id"]} <= set(range(12))
    assert seen["step"].min() == 1
    assert seen["step"].max() <= 6


def test_each_stage_trains(straight):
    first = read_weights(straight["pretrain"])
    for stage in ("ct", "sft", "dpo", "nft"):
        later = read_weights(straight[stage])
        assert any(not torch.equal(first[name], later[name]) for name in first), stage


def test_a_finished_run_is_not_trained_again(straight, toy_data):
    before = (straight["pretrain"] / "result.json").stat().st_mtime_ns
    assert train_here(stage_run(toy_data, "pretrain", straight["pretrain"]))
    assert (straight["pretrain"] / "result.json").stat().st_mtime_ns == before


def test_other_settings_are_refused_and_start_anew_where_that_is_asked_for(toy_data, tmp_path):
    assert not train_here(stage_run(toy_data, "pretrain", tmp_path), stop_at=3)
    changed = stage_run(toy_data, "pretrain", tmp_path, learning_rate=1e-3)
    with pytest.raises(IdentityChangedError):
        train_here(changed)
    claim(changed, Layout(world_size=1, zero_stage=changed.config.zero_stage), fresh=True)
    assert train_here(changed)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert lines[1]["learning_rate"] == 1e-3
    assert [line["step"] for line in lines] == list(range(7))
