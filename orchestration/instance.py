"""The Dagster instance of a home: runs and events in the folder `dagster`, telemetry off."""

from pathlib import Path

import dagster as dg

from orchestration.environment import quiet

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}  # otherwise a dialog covers the first screen
concurrency:
  runs: {max_concurrent_runs: 1}
  pools: {granularity: op, default_limit: 1}
run_monitoring: {enabled: true, free_slots_after_run_end_seconds: 30}
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}
"""

BY_COMMAND_LINE = {"emberline/started_by": "command line"}
"""Tag of runs that a command line executes. They end with its process, which holds the lock of the home."""

WORKING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def dagster_home(home: Path) -> Path:
    """Returns the instance folder of a home, after creating it if it is missing."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists() or settings.read_text() != DAGSTER_YAML:
        settings.write_text(DAGSTER_YAML)
    return folder


def open_instance(home: Path) -> dg.DagsterInstance:
    """Returns the Dagster instance of a home."""
    quiet()
    return dg.DagsterInstance.from_config(str(dagster_home(home)))


def mark_killed_runs_failed(instance: dg.DagsterInstance) -> None:
    """Marks runs of killed command lines as failed, and frees their slots in concurrency pools.

    The caller holds the lock of the home, so no other command line is running there. Dagster's daemon detects
    such runs too, but without a running daemon the next training stage would wait for a slot forever.
    """
    unfinished = [status for status in dg.DagsterRunStatus if status not in FINISHED]
    for run in instance.get_runs(dg.RunsFilter(tags=BY_COMMAND_LINE, statuses=unfinished)):
        instance.report_run_failed(run, "The process of this run was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
