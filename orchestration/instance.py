"""Where Dagster keeps runs and events: a folder of the profile's home, telemetry off."""

from pathlib import Path

import dagster as dg

from orchestration.environment import quiet

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}  # else a dialog covers the first screen
concurrency:
  runs: {max_concurrent_runs: 1}
  pools: {granularity: op, default_limit: 1}
run_monitoring: {enabled: true, free_slots_after_run_end_seconds: 30}
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}
"""

BY_COMMAND_LINE = {"emberline/started_by": "command line"}
"""The tag of runs whose life is that of a command line, which holds the home as long as it lives."""

WORKING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


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


def bury_killed_runs(instance: dg.DagsterInstance) -> None:
    """Ends the runs of command lines that were killed, and frees the places that they held in pools.

    Called by a command line that holds the home, so no other one lives. Dagster's daemon would find the dead,
    but where none runs, the next training would wait for their place in the pool for ever.
    """
    unfinished = [status for status in dg.DagsterRunStatus if status not in FINISHED]
    for run in instance.get_runs(dg.RunsFilter(tags=BY_COMMAND_LINE, statuses=unfinished)):
        instance.report_run_failed(run, "The process of this run was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
