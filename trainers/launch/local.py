"""How a training is started on this machine: its command, and the variables that its ranks need."""

import sys

INTERRUPTED = 75  # EX_TEMPFAIL: told to stop, saved a checkpoint, resumes when started again


def training_command(run_file: str, processes: int) -> list[str]:
    """Returns the command that trains the stage run of a JSON file on so many ranks of this machine."""
    torchrun = ["-m", "trainers.launch.torchrun", "--standalone", f"--nproc-per-node={processes}", "-m", "--"]
    return [sys.executable, "-m", "models.common.processes", *torchrun, "trainers.train", "--run", run_file]


def training_environment() -> dict[str, str]:
    """Returns the variables that ranks need: one thread each, and no library reports home.

    Two OpenMP threads beside other work wait for each other in spin locks; steps took ten times as long.
    """
    return {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # by default a lost server is called for four minutes
        "DO_NOT_TRACK": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }
