"""The command and the environment variables that start a training run on this machine."""

import sys

from models.common.processes import supervised

INTERRUPTED = 75  # EX_TEMPFAIL: stopped by a signal, saved a checkpoint, resumes when started again

STOP_SECONDS = 60.0
"""How long the ranks may take to save a checkpoint after SIGTERM."""


def training_command(run_file: str, processes: int) -> list[str]:
    """Returns the command that trains the stage run of a JSON file on a number of local processes.

    The training ends with the process that starts it.
    """
    torchrun = ["-m", "trainers.launch.torchrun", "--standalone", f"--nproc-per-node={processes}", "-m", "--"]
    command = [sys.executable, *torchrun, "trainers.train", "--run", run_file]
    return supervised(command, stop_seconds=STOP_SECONDS)


def training_environment() -> dict[str, str]:
    """Returns environment variables for the ranks: one thread each, and no telemetry."""
    return {
        # On a machine that also does other work, two OpenMP threads wait for each other in spin locks: the
        # steps of the demo took ten times as long.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # by default, a lost server is retried for four minutes
        "DO_NOT_TRACK": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }
