import sys

from trainers.launch.local import training_command, training_environment


def test_command_goes_through_shim_and_torchrun():
    command = training_command("run.json", 2)
    assert command[:3] == [sys.executable, "-m", "models.common.processes"]
    assert "--nproc-per-node=2" in command
    assert command[-3:] == ["trainers.train", "--run", "run.json"]


def test_a_rank_gets_one_thread():
    environment = training_environment()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
