"""The jobs, and a sensor and a schedule that run them for new ingest batches. Both are off by default."""

import math
import time
from itertools import takewhile
from pathlib import Path

import dagster as dg

from assets.corpora.batches import Tell, discover_batches, ignore, is_ingested
from assets.corpora.config import CorporaConfig
from assets.lake.ids import digest
from assets.lake.lake import Lake
from assets.lake.materialize import ingest_batches
from orchestration.faults import failure_reason
from orchestration.home import BusyHomeError, lock_home
from orchestration.instance import UNFINISHED, by_command_line

TRAINING = dg.AssetSelection.groups("training")
BENCHMARK = dg.AssetSelection.groups("benchmark", "registry")

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

BATCHES_TAG = "emberline/batches"
ATTEMPT_TAG = "emberline/attempt"
PARENT_TAG = "dagster/parent_run_id"

RETRY_WAITS = (10 * 60.0, 60 * 60.0)
"""Seconds from the end of a failed run until the same batches are requested again."""

ATTEMPTS = len(RETRY_WAITS) + 1

EVERYTHING = dg.AssetSelection.all()

jobs = [
    dg.define_asset_job(
        "data", EVERYTHING - TRAINING - BENCHMARK, description="from raw files to the training cache"
    ),
    dg.define_asset_job(
        "train", TRAINING, description="the five training stages, each from the result of the one before"
    ),
    dg.define_asset_job("bench", BENCHMARK, description="benchmark, report, champion"),
    dg.define_asset_job("all", EVERYTHING, description="from raw files to the champion"),
]
JOBS = tuple(job.name for job in jobs)


def batch_range(names: list[str]) -> dict[str, str]:
    """Returns the run tags for one run over all partitions from the first to the last of `names`."""
    return {RANGE_START: names[0], RANGE_END: names[-1]}


def register_batches(
    instance: dg.DagsterInstance, lake: Lake, corpora: CorporaConfig, tell: Tell = ignore
) -> list[str]:
    """Returns the names of all ingest batches, after registering them as Dagster partitions.

    The names are in Dagster's order, oldest first, because Dagster resolves a range in that order. A batch of
    new files comes last, whichever corpus it belongs to.
    """
    partitions = str(ingest_batches.name)
    names = [batch.name for batch in discover_batches(lake, corpora, tell)]
    known = instance.get_dynamic_partitions(partitions)
    for removed in set(known) - set(names):
        instance.delete_dynamic_partition(partitions, removed)
    new = [name for name in names if name not in known]
    if new:
        instance.add_dynamic_partitions(partitions, new)
    return list(instance.get_dynamic_partitions(partitions))


def requests_for_new_batches(
    instance: dg.DagsterInstance, lake: Lake, corpora: CorporaConfig, now: float
) -> dg.RunRequest | dg.SkipReason:
    """Returns one run of the data job over all batches from the first one that is not ingested yet.

    A failed run is requested again after each of RETRY_WAITS. A canceled one is not, since a person ended it.

    Args:
        instance: holds the runs and partitions.
        lake: holds the manifests.
        corpora: where new files are.
        now: seconds since the epoch.
    """
    names = register_batches(instance, lake, corpora)
    new = [name for name in names if not is_ingested(lake, name)]
    if not new:
        return dg.SkipReason(f"All {len(names)} batches are ingested.")
    busy = _user_of_home(instance, lake)
    if busy is not None:
        return dg.SkipReason(busy)
    key = digest(new)
    failed = _failed_attempts(instance, key)
    attempt = f"attempt {len(failed) + 1} of {ATTEMPTS}"
    tags = {**batch_range(names[names.index(new[0]) :]), BATCHES_TAG: key}
    if not failed:
        return dg.RunRequest(run_key=f"{key}-1", tags={**tags, ATTEMPT_TAG: attempt})
    last = failed[0]
    ending = f"run {last.dagster_run.run_id[:8]} {_ending(instance, last.dagster_run)}"
    if last.dagster_run.status == dg.DagsterRunStatus.CANCELED or len(failed) >= ATTEMPTS:
        return dg.SkipReason(
            f"Not asked again after {len(failed)} of {ATTEMPTS} attempts: {ending}. Fix the cause, then run "
            "the job `data`, here or by `emberline run --job data`."
        )
    due = (last.end_time or now) + RETRY_WAITS[len(failed) - 1]
    if now < due:
        return dg.SkipReason(f"{attempt} in {math.ceil((due - now) / 60)} min, after {ending}")
    return dg.RunRequest(
        run_key=f"{key}-{len(failed) + 1}", tags={**tags, ATTEMPT_TAG: f"{attempt}, after {ending}"}
    )


def _user_of_home(instance: dg.DagsterInstance, lake: Lake) -> str | None:
    """Returns which run is using the home, or None. A run of the UI does not lock it."""
    own = [run for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) if not by_command_line(run)]
    if own:
        return f"Run {own[0].run_id[:8]} is in progress."
    try:
        with lock_home(Path(lake.local_path(""))):
            return None
    except BusyHomeError as error:
        return str(error)


def _failed_attempts(instance: dg.DagsterInstance, key: str) -> list[dg.RunRecord]:
    """Returns the failed or canceled runs over a set of batches, newest first, up to the last that succeeded.

    Dagster starts a run again by itself if its process dies. That counts as the same attempt.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={BATCHES_TAG: key}))
    attempts = [record for record in records if PARENT_TAG not in record.dagster_run.tags]
    return list(takewhile(lambda one: one.dagster_run.status != dg.DagsterRunStatus.SUCCESS, attempts))


def _ending(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    if run.status == dg.DagsterRunStatus.CANCELED:
        return "was canceled"
    entries = instance.all_logs(run.run_id, of_type={dg.DagsterEventType.STEP_FAILURE})
    reason = failure_reason(entry.dagster_event for entry in entries if entry.dagster_event is not None)
    return f"failed: {reason.splitlines()[0] if reason else 'its log has the reason'}"


@dg.sensor(
    job_name="data",
    minimum_interval_seconds=300,
    description="Looks for new files in the corpora, freezes them into batches and requests one data run.",
)
def new_batches(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    corpora: dg.ResourceParam[CorporaConfig],
) -> dg.RunRequest | dg.SkipReason:
    """Requests a data run when there are new files. The cursor says which attempt it is, and why."""
    request = requests_for_new_batches(context.instance, lake, corpora, time.time())
    if isinstance(request, dg.RunRequest):
        context.update_cursor(request.tags[ATTEMPT_TAG])
    return request


@dg.schedule(
    job_name="data",
    cron_schedule="0 2 * * *",
    description="Does the same as the sensor `new_batches`, once a night.",
)
def nightly_data(
    context: dg.ScheduleEvaluationContext,
    lake: dg.ResourceParam[Lake],
    corpora: dg.ResourceParam[CorporaConfig],
) -> dg.RunRequest | dg.SkipReason:
    """Requests a data run at two in the morning when there are new files."""
    return requests_for_new_batches(context.instance, lake, corpora, time.time())
