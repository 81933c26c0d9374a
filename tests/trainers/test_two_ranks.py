"""Two real ranks under torchrun: killed, stopped, resumed. Each launch costs some seconds of start-up."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import torch
from toy_run import read_weights, stage_run

from trainers.launch.local import INTERRUPTED, training_command, training_environment
from trainers.metrics_file import read_metrics

REPOSITORY = Path(__file__).parents[2]
STEPS = 160


def start(run, folder, ranks=2):
    """Starts torchrun as Dagster would, in a process group of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(run.model_dump_json())
    environment = os.environ | training_environment() | {"TORCH_EXTENSIONS_DIR": str(folder / "extensions")}
    return subprocess.Popen(
        training_command(str(folder / "run.json"), ranks),
        cwd=REPOSITORY,
        env=environment,
        stdout=(folder / "log").open("a"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(run, folder):
    process = start(run, folder)
    assert process.wait(120) == 0, (folder / "log").read_text()[-4000:]


def wait_for_step(process, output, step):
    end = time.monotonic() + 90
    while not any(line["step"] >= step for line in read_metrics(output / "metrics.jsonl")):
        assert process.poll() is None, "ended before the step"
        assert time.monotonic() < end
        time.sleep(0.005)


def sft_run(toy_data, pretrained, output):
    changes = {"steps": STEPS, "checkpoint_every": 25, "validate_every": 80, "learning_rate": 1e-3}
    return stage_run(toy_data, "sft", output, pretrained, batch_size=8, **changes)


@pytest.fixture(scope="module")
def undisturbed(toy_data, pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(sft_run(toy_data, pretrained, folder / "out"), folder)
    return folder / "out"


def ranks_of(process):
    """The ranks, which are children of torchrun, which is the child of its supervisor."""
    [torchrun] = psutil.Process(process.pid).children()
    return torchrun.children()


def assert_same_outcome(expected, found):
    one, two = read_weights(expected), read_weights(found)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (expected / "seen.parquet").read_bytes() == (found / "seen.parquet").read_bytes()
    lines = read_metrics(found / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(STEPS + 1))
    for line, other in zip(lines, read_metrics(expected / "metrics.jsonl"), strict=True):
        assert {**line, "samples_per_second": 0} == {**other, "samples_per_second": 0}


def test_a_killed_run_leaves_no_rank_and_resumes_to_the_same_bits(
    undisturbed, toy_data, pretrained, tmp_path
):
    output = tmp_path / "out"
    run = sft_run(toy_data, pretrained, output)
    process = start(run, tmp_path)
    wait_for_step(process, output, 60)
    ranks = ranks_of(process)
    assert len(ranks) == 2
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _, left = psutil.wait_procs(ranks, timeout=10)
    assert not left, "a rank outlived torchrun"
    assert not (output / "result.json").exists()
    reached = read_metrics(output / "metrics.jsonl")[-1]["step"]
    saved = int((output / "checkpoints" / "latest").read_text().removeprefix("step-"))
    assert reached - saved <= 25, "more was lost than the steps since the last checkpoint"
    finish(run, tmp_path)
    assert_same_outcome(undisturbed, output)
    result = json.loads((output / "result.json").read_text())
    assert result["world_size"] == 2
    assert not (tmp_path / "extensions").exists(), "something was compiled just in time"


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_saves_ends_and_resumes(undisturbed, toy_data, pretrained, tmp_path):
    output = tmp_path / "out"
    run = sft_run(toy_data, pretrained, output)
    process = start(run, tmp_path)
    wait_for_step(process, output, 60)
    process.terminate()
    assert process.wait(60) == INTERRUPTED
    saved = int((output / "checkpoints" / "latest").read_text().removeprefix("step-"))
    assert saved == read_metrics(output / "metrics.jsonl")[-1]["step"], "steps were lost"
    assert saved < STEPS
    finish(run, tmp_path)
    assert_same_outcome(undisturbed, output)


@pytest.mark.slow
def test_one_rank_that_is_told_to_stop_stops_all(toy_data, pretrained, tmp_path):
    output = tmp_path / "out"
    process = start(sft_run(toy_data, pretrained, output), tmp_path)
    wait_for_step(process, output, 5)
    ranks_of(process)[0].send_signal(signal.SIGTERM)
    assert process.wait(60) == INTERRUPTED
    assert not (output / "result.json").exists()


@pytest.mark.slow
def test_a_rank_that_fails_is_a_failure(toy_data, tmp_path):
    run = stage_run(toy_data / "missing", "pretrain", tmp_path / "out")
    process = start(run, tmp_path)
    assert process.wait(60) not in (0, INTERRUPTED)
    assert "No such file" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_two_ranks_learn_like_one(toy_data, pretrained, tmp_path):
    """The gradient is the mean over ranks: the loss on the same rows falls alike, not twice as fast."""
    both, alone = tmp_path / "both", tmp_path / "alone"
    changes = {"steps": 30, "batch_size": 8, "validate_every": 30, "learning_rate": 3e-3}
    finish(stage_run(toy_data, "pretrain", both, None, **changes), tmp_path)
    process = start(stage_run(toy_data, "pretrain", alone, None, **changes), tmp_path, ranks=1)
    assert process.wait(120) == 0
    losses = [read_metrics(folder / "metrics.jsonl")[-1]["validation_loss"] for folder in (both, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
