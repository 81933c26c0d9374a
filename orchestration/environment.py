"""What this process and those that it starts are told through the environment. Imports nothing heavy."""

import logging
import os

PROFILE, IMAGES, HOME = "EMBERLINE_PROFILE", "EMBERLINE_IMAGES", "EMBERLINE_HOME"
"""What a command or a code location works on; the options of a command go before them."""

QUIET = {
    # A thread that waits sleeps: spinning beside other work on two cores made steps five times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes and 2 GB that nothing here uses
    "DVC_NO_ANALYTICS": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
}
"""Nothing phones home and nothing draws its own bars, in this process or in those that it starts."""


def quiet() -> None:
    """Keeps every library of this process, and of those that it starts, from phoning home."""
    os.environ.update(QUIET)
    logging.getLogger("DeepSpeed").addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    # It warns on stdout wherever there is no GPU, in every process that diffusers happens to import it in.
    return record.levelno >= logging.ERROR
