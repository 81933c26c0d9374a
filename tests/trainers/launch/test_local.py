import sys

from models.common.processes import supervised
from trainers.launch.local import STOP_SECONDS, training_command, training_environment


def test_the_command_is_torchrun_under_a_supervisor():
    command = training_command("run.json", 2)
    assert command[: command.index("trainers.launch.torchrun")] == [
        *supervised([sys.executable, "-m"], stop_seconds=STOP_SECONDS)
    ]
    assert "--nproc-per-node=2" in command
    assert command[-3:] == ["trainers.train", "--run", "run.json"]


def test_a_rank_gets_one_thread():
    environment = training_environment()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
