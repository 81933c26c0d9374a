"""A run of some assets of a profile, in this process, in one Dagster run that the UI can show."""

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from rich.console import Console

from assets.corpora.readers.folder import CorpusError
from assets.lake.lake import Lake
from assets.lake.materialize import PARTITIONED
from assets.lake.steps import read_manifests
from orchestration.automation import batch_range, register_batches
from orchestration.console import RunConsole
from orchestration.definitions import build_definitions
from orchestration.instance import BY_COMMAND_LINE, WORKING, bury_killed_runs, open_instance
from orchestration.plan import Planned, plan
from orchestration.profile import Profile
from orchestration.reference import UNKNOWN_SECONDS, reference_seconds, seconds

CORPUS = dg.AssetKey("demo_corpus")
INGESTED = {dg.AssetKey(name) for name in PARTITIONED}


class BusyHomeError(RuntimeError):
    """Another run works in the same home."""


class RunFailedError(RuntimeError):
    """An asset failed, or a check that stops what comes after it."""


def run_assets(profile: Profile, home: Path, selection: dg.AssetSelection, console: Console) -> None:
    """Runs the selected assets in the order of the lineage; what is finished is kept as it is.

    The demo's corpus is made first, in a run of its own, because its files decide the ingest batches.

    Raises:
        BusyHomeError: another run works in this home, be it one that the UI started.
        RunFailedError: an asset or a blocking check failed; the message says which and why.
    """
    with locked(home), open_instance(home) as instance:
        bury_killed_runs(instance)
        _refuse_beside_ui(instance, home)
        lake = Lake(str(home))
        planned = plan(profile, home, selection)
        keys = {dg.AssetKey(row.asset) for row in planned}
        with RunConsole(expected_seconds(lake, planned), console) as follower:
            definitions = build_definitions(profile, home, follower.progress, follower)
            if CORPUS in keys:
                _execute(definitions, instance, [CORPUS], {})
            rest = sorted(keys - {CORPUS})
            if rest:
                tags = _batches(instance, lake, profile) if keys & INGESTED else {}
                _execute(definitions, instance, rest, tags)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Holds the home for one run; the lock goes with the process, however it ends."""
    (home / "mlflow").mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyHomeError(
                f"Another run works in {home}. Wait for it, or give --home another folder."
            ) from None
        yield


def _refuse_beside_ui(instance: dg.DagsterInstance, home: Path) -> None:
    """Runs of the UI hold no lock, and need none among themselves: Dagster queues them behind any other."""
    working = instance.get_runs(dg.RunsFilter(statuses=[*WORKING]), limit=1)
    if working:
        raise BusyHomeError(
            f"Run {working[0].run_id[:8]}, started in the UI, works in {home}. "
            "Wait for it, or terminate it there."
        )


def expected_seconds(lake: Lake, planned: Sequence[Planned]) -> Mapping[str, float]:
    """Returns how long each asset will take: nothing where it is finished, else as long as the last time.

    What was never made here takes what it takes on the reference machine.
    """
    reference = reference_seconds()
    expected = {}
    for row in planned:
        manifests = read_manifests(lake, row.asset)
        known = seconds(manifests) if manifests else reference.get(row.asset, UNKNOWN_SECONDS)
        expected[row.asset] = 0.0 if row.state == "finished" else known
    return expected


def _batches(instance: dg.DagsterInstance, lake: Lake, profile: Profile) -> Mapping[str, str]:
    """Returns the tags of a run over all ingest batches, after freezing those that are new."""
    try:
        names = register_batches(instance, lake, profile.corpora)
    except CorpusError as error:
        raise RunFailedError(f"raw_images cannot start: {error}") from error
    if not names:
        folders = ", ".join(corpus.path for corpus in profile.corpora.corpora)
        raise RunFailedError(f"raw_images cannot start: no file lies in {folders}. Put photographs there.")
    return batch_range(names)


def _execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    keys: Sequence[dg.AssetKey],
    tags: Mapping[str, str],
) -> None:
    job = definitions.resolve_job_def("all")
    result = job.execute_in_process(
        instance=instance,
        asset_selection=list(keys),
        tags={**tags, **BY_COMMAND_LINE},
        run_config={"loggers": {"console": {"config": {}}}},
        raise_on_error=False,
    )
    if not result.success:
        raise RunFailedError(_reason(result))


def _reason(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error
            while cause is not None and cause.cause is not None:
                cause = cause.cause
            message = cause.message.strip() if cause is not None else "no reason was recorded"
            return f"{event.step_key} failed: {message}"
    failed = [e.check_name for e in result.get_asset_check_evaluations() if not e.passed]
    return f"checks failed: {json.dumps(failed)}" if failed else "the run ended without success"
