"""The Dagster instance of a home: runs and events in the folder `dagster`, telemetry off."""

from pathlib import Path

import dagster as dg

from assets.lake.home_format import HomeError
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

COMMAND_LINE = "command_line.yaml"
COMMAND_LINE_YAML = (
    DAGSTER_YAML
    + """\
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""
)
"""For runs in this process. Otherwise Dagster starts four processes that copy what steps print. They print
tracebacks at Ctrl-C and may hold standard output open after a kill."""


class UnusablePathError(HomeError):
    """The path of a home has a character that Dagster does not quote in the addresses of its databases."""

    def __init__(self, home: Path, character: str) -> None:
        super().__init__(
            f"{home} has a {character} in its path, where Dagster cannot open its databases. Move the home "
            "to a path without one, or name another folder with --home."
        )


BY_COMMAND_LINE = {"emberline/started_by": "command line"}
"""Tag of runs that a command line executes. They end with its process, which holds the lock of the home."""

WORKING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


UNFINISHED = [status for status in dg.DagsterRunStatus if status not in FINISHED]


def dagster_home(home: Path) -> Path:
    """Returns the instance folder of a home, after creating it if it is missing.

    Raises:
        UnusablePathError: Dagster cannot keep its databases there.
    """
    if special := [character for character in "?%" if character in str(home)]:
        raise UnusablePathError(home, special[0])
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("dagster.yaml", DAGSTER_YAML), (COMMAND_LINE, COMMAND_LINE_YAML)):
        settings = folder / name
        if not settings.exists() or settings.read_text() != text:
            settings.write_text(text)
    return folder


def open_instance(home: Path) -> dg.DagsterInstance:
    """Returns the Dagster instance of a home, for runs in this process."""
    quiet()
    return dg.DagsterInstance.from_config(str(dagster_home(home)), COMMAND_LINE)


def mark_killed_runs_failed(instance: dg.DagsterInstance) -> None:
    """Marks runs of killed command lines as failed, and frees their slots in concurrency pools.

    The caller holds the lock of the home, so no other command line is running there. Dagster's daemon detects
    such runs too, but without a running daemon the next training stage would wait for a slot forever.
    """
    for run in instance.get_runs(dg.RunsFilter(tags=BY_COMMAND_LINE, statuses=UNFINISHED)):
        instance.report_run_failed(run, "The process of this run was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def by_command_line(run: dg.DagsterRun) -> bool:
    """Returns whether a command line executes or executed a run."""
    return BY_COMMAND_LINE.items() <= run.tags.items()
