"""Training from an asset, on real ranks: what reaches Dagster, what a failure says, and who outlives whom."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from tiny_run import REPOSITORY

from orchestration.launch import TrainingFailedError, launch_trainer
from trainers.config import StageRun
from trainers.metrics_file import read_metrics

STEP = """
import sys
from pathlib import Path
import dagster as dg
from orchestration.launch import launch_trainer

@dg.asset
def stage(context: dg.AssetExecutionContext) -> None:
    launch_trainer(context, Path(sys.argv[1]), 2)

dg.materialize([stage])
"""


@pytest.fixture
def run_file(tiny_run, tmp_path):
    """Writes the tiny pre-training again, elsewhere and with other settings."""

    def write(**settings):
        run = StageRun.model_validate_json((tiny_run.home / "training/pretrain/run.json").read_text())
        config = run.config.model_copy(update=settings)
        run = run.model_copy(update={"config": config, "output": tmp_path / "out", "tracking": None})
        (tmp_path / "out").mkdir()
        path = tmp_path / "out" / "run.json"
        path.write_text(run.model_dump_json())
        return path

    return write


def materialize(run_file: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset
    def stage(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        launch_trainer(context, run_file, 2)
        return dg.MaterializeResult()

    return dg.materialize([stage], raise_on_error=False, instance=instance)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def wait_for_steps(output: Path, steps: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not any(line["step"] >= steps for line in read_metrics(output / "metrics.jsonl")):
        assert process.poll() is None, "the step worker ended by itself"
        assert time.monotonic() < end, "the training never got there"
        time.sleep(0.02)


@pytest.fixture
def worker(run_file, tmp_path):
    """A step worker in a process of its own, with a training that would take hours."""
    path = run_file(steps=100_000, checkpoint_every=10, validate_every=100_000)
    command = [sys.executable, "-c", STEP, str(path)]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True)
    wait_for_steps(path.parent, 20, process)
    yield process, psutil.Process(process.pid).children(recursive=True)
    process.kill()


def test_figures_of_a_training_reach_dagster_while_it_runs(run_file, instance):
    path = run_file(steps=2, validate_every=1, checkpoint_every=1)
    result = materialize(path, instance)
    assert result.success
    said = [record.user_message for record in instance.all_logs(result.run_id)]
    [last] = [line for line in said if line.startswith("pretrain: step 2 of 2, ")]
    assert re.search(r"\bloss [\d.]+, gradient_norm [\d.]+", last)
    assert "validation_loss" in last
    found = json.loads((path.parent / "result.json").read_text())
    assert (found["steps"], found["world_size"]) == (2, 2)
    assert (path.parent / "final/diffusion_pytorch_model.safetensors").exists()


def test_a_training_that_fails_shows_the_end_of_its_log(run_file, instance):
    path = run_file(steps=2)
    broken = json.loads(path.read_text()) | {"mixture": "/nowhere/mixture.parquet"}
    path.write_text(json.dumps(broken))
    result = materialize(path, instance)
    assert not result.success
    [failure] = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    while failure.cause is not None:
        failure = failure.cause
    assert failure.cls_name == TrainingFailedError.__name__
    assert "ended with code 1" in failure.message
    assert "/nowhere/mixture.parquet" in failure.message
    assert str(path.with_name("trainer.log")) in failure.message


def test_no_rank_outlives_a_step_worker_that_was_killed(worker):
    process, started = worker
    ranks = [one for one in started if "trainers.train" in " ".join(one.cmdline())]
    assert len(ranks) >= 3, "torchrun and two ranks were expected"
    process.kill()
    _, left = psutil.wait_procs(started, timeout=30)
    assert not left, [" ".join(one.cmdline()) for one in left]


def test_a_step_worker_that_is_told_to_stop_saves_the_training_first(worker, tmp_path):
    process, started = worker
    process.send_signal(signal.SIGINT)
    process.wait(120)
    _, left = psutil.wait_procs(started, timeout=30)
    assert not left, [" ".join(one.cmdline()) for one in left]
    output = tmp_path / "out"
    saved = int((output / "checkpoints/latest").read_text().removeprefix("step-"))
    assert saved == read_metrics(output / "metrics.jsonl")[-1]["step"], "steps were lost"
    assert not (output / "result.json").exists()
