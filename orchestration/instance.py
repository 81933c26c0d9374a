"""Where Dagster keeps runs and events: a folder of the profile's home, telemetry off."""

import os
from pathlib import Path

import dagster as dg

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}  # else a dialog covers the first screen
concurrency:
  runs: {max_concurrent_runs: 1}
  pools: {granularity: op, default_limit: 1}
run_monitoring: {enabled: true, free_slots_after_run_end_seconds: 30}
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}
"""

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


def dagster_home(home: Path) -> Path:
    """Returns the instance folder of a profile's home, made if it was missing."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists() or settings.read_text() != DAGSTER_YAML:
        settings.write_text(DAGSTER_YAML)
    return folder


def open_instance(home: Path) -> dg.DagsterInstance:
    """Returns the Dagster instance of a profile's home."""
    quiet()
    return dg.DagsterInstance.from_config(str(dagster_home(home)))
