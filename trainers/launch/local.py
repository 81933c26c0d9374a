"""The command and the environment variables that start a training run on this machine."""

import sys

INTERRUPTED = 75  # EX_TEMPFAIL: stopped by a signal, saved a checkpoint, resumes when started again


def training_command(run_file: str, processes: int) -> list[str]:
    """Returns the command that trains the stage run of a JSON file on a number of local processes."""
    torchrun = ["-m", "trainers.launch.torchrun", "--standalone", f"--nproc-per-node={processes}", "-m", "--"]
    return [sys.executable, "-m", "models.common.processes", *torchrun, "trainers.train", "--run", run_file]


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
