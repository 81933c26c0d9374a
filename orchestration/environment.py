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

IGNORED = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_RUN_ID",
    "DAGSTER_HOME",
)
"""The profile or the home decides what these variables would decide, such as one that a notebook has left."""

HONORED = (
    PROFILE,
    IMAGES,
    HOME,
    "MLFLOW_BACKEND_STORE_URI",
    "MLFLOW_ARTIFACTS_DESTINATION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
)
"""These variables change which state, services, files or devices a command uses."""


def variables_in_use() -> str | None:
    """Returns one line about the variables of HONORED and IGNORED that are set, None if there are none.

    The line has names only, since an address may contain a password.
    """
    honored, ignored = ([name for name in names if os.environ.get(name)] for names in (HONORED, IGNORED))
    parts = [f"{', '.join(honored)} in use"] if honored else []
    if ignored:
        parts.append(f"{', '.join(ignored)} ignored, because the profile and the home decide")
    return f"Environment variables: {'; '.join(parts)}." if parts else None


def quiet() -> None:
    """Turns off telemetry and progress bars of libraries, in this process and in those that it starts.

    Also removes the variables of MLflow in IGNORED, which its client would read.
    """
    os.environ.update(QUIET)
    for name in IGNORED:
        if name.startswith("MLFLOW_"):
            os.environ.pop(name, None)
    logging.getLogger("DeepSpeed").addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    # Without a GPU, DeepSpeed prints warnings to stdout in every process in which diffusers imports it.
    return record.levelno >= logging.ERROR
