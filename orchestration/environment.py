"""Environment variables of this process and of those that it starts. Imports no heavy library."""

import logging
import os

PROFILE, IMAGES, HOME = "EMBERLINE_PROFILE", "EMBERLINE_IMAGES", "EMBERLINE_HOME"
"""Choose profile, images and home for commands and the code location; command options override them."""

QUIET = {
    # Waiting threads sleep instead of spinning: on two busy cores, spinning made steps five times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes and 2 GB of memory, unused
    "DVC_NO_ANALYTICS": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
}
"""No library sends telemetry or draws progress bars, in this process or in those that it starts."""


def quiet() -> None:
    """Turns off telemetry and progress bars of libraries, in this process and in those that it starts."""
    os.environ.update(QUIET)
    logging.getLogger("DeepSpeed").addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    # Without a GPU, DeepSpeed prints warnings to stdout in every process in which diffusers imports it.
    return record.levelno >= logging.ERROR
