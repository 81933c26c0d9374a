"""A run whose `steps` grew after it had finished: its first steps stay, the further ones follow the rule."""

import torch
from toy_run import read_weights, stage_run, train_here

from trainers.identity import segments_of
from trainers.metrics_file import read_metrics


def rates(output) -> dict[int, float]:
    return {
        line["step"]: line["learning_rate"] for line in read_metrics(output / "metrics.jsonl") if line["step"]
    }


def test_a_constant_schedule_goes_on_as_if_it_had_been_that_long(one_rank, toy_data, tmp_path):
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    assert train_here(stage_run(toy_data, "ct", whole, schedule="constant", steps=8))
    assert train_here(stage_run(toy_data, "ct", grown, schedule="constant", steps=5))
    first = read_weights(grown)
    assert train_here(stage_run(toy_data, "ct", grown, schedule="constant", steps=8))
    assert segments_of(grown) == [5, 8]
    for name, tensor in read_weights(whole).items():
        assert torch.equal(tensor, read_weights(grown)[name]), name
    assert any(not torch.equal(first[name], tensor) for name, tensor in read_weights(grown).items())
    assert (grown / "segments" / "5" / "final" / "diffusion_pytorch_model.safetensors").exists()


def test_other_schedules_end_where_they_ended_and_run_on_at_the_final_rate(one_rank, toy_data, tmp_path):
    settings = {"schedule": "linear", "final_learning_rate": 1e-4}
    assert train_here(stage_run(toy_data, "ct", tmp_path / "run", steps=4, **settings))
    before = rates(tmp_path / "run")
    assert train_here(stage_run(toy_data, "ct", tmp_path / "run", steps=7, **settings))
    after = rates(tmp_path / "run")
    assert {step: after[step] for step in before} == before
    assert [after[step] for step in (5, 6, 7)] == [1e-4] * 3


def test_an_extension_that_was_stopped_is_resumed(one_rank, toy_data, tmp_path):
    undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    for output in (undisturbed, stopped):
        assert train_here(stage_run(toy_data, "sft", output, steps=4))
    assert train_here(stage_run(toy_data, "sft", undisturbed, steps=8))
    assert not train_here(stage_run(toy_data, "sft", stopped, steps=8), stop_at=2)
    assert train_here(stage_run(toy_data, "sft", stopped, steps=8))
    for name, tensor in read_weights(undisturbed).items():
        assert torch.equal(tensor, read_weights(stopped)[name]), name
