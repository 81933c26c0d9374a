"""The jobs, and a sensor and a schedule that run them for new ingest batches. Both are off by default."""

from collections.abc import Iterator

import dagster as dg

from assets.corpora.batches import discover_batches
from assets.corpora.config import CorporaConfig
from assets.lake.ids import digest
from assets.lake.lake import Lake
from assets.lake.materialize import ingest_batches
from assets.lake.steps import read_manifest

TRAINING = dg.AssetSelection.groups("training")
BENCHMARK = dg.AssetSelection.groups("benchmark", "registry")

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

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


def register_batches(instance: dg.DagsterInstance, lake: Lake, corpora: CorporaConfig) -> list[str]:
    """Returns the names of all ingest batches, after registering them as Dagster partitions.

    The names are in Dagster's order, oldest first, because Dagster resolves a range in that order. A batch of
    new files comes last, whichever corpus it belongs to.
    """
    partitions = str(ingest_batches.name)
    names = [batch.name for batch in discover_batches(lake, corpora)]
    known = instance.get_dynamic_partitions(partitions)
    for removed in set(known) - set(names):
        instance.delete_dynamic_partition(partitions, removed)
    new = [name for name in names if name not in known]
    if new:
        instance.add_dynamic_partitions(partitions, new)
    return list(instance.get_dynamic_partitions(partitions))


def requests_for_new_batches(
    instance: dg.DagsterInstance, lake: Lake, corpora: CorporaConfig
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Yields one run of the data job over all batches from the first one that is not ingested yet."""
    names = register_batches(instance, lake, corpora)
    new = [name for name in names if read_manifest(lake, f"raw_samples/{name}") is None]
    if not new:
        yield dg.SkipReason(f"All {len(names)} batches are ingested.")
        return
    yield dg.RunRequest(run_key=digest(new), tags=batch_range(names[names.index(new[0]) :]))


@dg.sensor(
    job_name="data",
    minimum_interval_seconds=300,
    description="Looks for new files in the corpora, freezes them into batches and requests one data run.",
)
def new_batches(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    corpora: dg.ResourceParam[CorporaConfig],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests a data run when there are new files."""
    yield from requests_for_new_batches(context.instance, lake, corpora)


@dg.schedule(
    job_name="data",
    cron_schedule="0 2 * * *",
    description="Does the same as the sensor `new_batches`, once a night.",
)
def nightly_data(
    context: dg.ScheduleEvaluationContext,
    lake: dg.ResourceParam[Lake],
    corpora: dg.ResourceParam[CorporaConfig],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests a data run at two in the morning when there are new files."""
    yield from requests_for_new_batches(context.instance, lake, corpora)
