"""A run of some assets of a profile, in this process, in one Dagster run that the UI can show."""

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from rich.console import Console

from assets.lake.lake import Lake
from assets.lake.steps import read_manifests
from orchestration.automation import batch_range, register_batches
from orchestration.console import REFERENCE_SECONDS, RunConsole
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.profile import Profile

CORPUS = dg.AssetKey("demo_corpus")


class BusyHomeError(RuntimeError):
    """Another run works in the same home."""


class RunFailedError(RuntimeError):
    """An asset failed, or a check that stops what comes after it."""


def run_assets(profile: Profile, home: Path, selection: dg.AssetSelection, console: Console) -> None:
    """Runs the selected assets in the order of the lineage; what is finished is kept as it is.

    The demo's corpus is made first, in a run of its own, because its files decide the ingest batches.

    Raises:
        BusyHomeError: another run works in this home.
        RunFailedError: an asset or a blocking check failed; the message says which and why.
    """
    with locked(home), open_instance(home) as instance:
        lake = Lake(str(home))
        plain = build_definitions(profile, home, lambda *_: None)
        keys = selection.resolve(plain.resolve_asset_graph())
        names = [key.path[-1] for key in keys]
        with RunConsole(names, expected_seconds(lake, names), console) as follower:
            definitions = build_definitions(profile, home, follower.progress, follower)
            if CORPUS in keys:
                _execute(definitions, instance, [CORPUS], {})
            batches = register_batches(instance, lake, profile.corpora)
            rest = sorted(keys - {CORPUS})
            if rest:
                _execute(definitions, instance, rest, batch_range(batches) if batches else {})


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


def expected_seconds(lake: Lake, assets: Sequence[str]) -> Mapping[str, float]:
    """Returns how long each asset took here the last time, else on the reference machine."""
    expected = dict(REFERENCE_SECONDS)
    for asset in assets:
        manifests = read_manifests(lake, asset)
        if manifests:
            expected[asset] = sum(manifest.seconds for manifest in manifests)
    return expected


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
        tags=dict(tags),
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
    failed = [e.asset_check_name for e in result.get_asset_check_evaluations() if not e.passed]
    return f"checks failed: {json.dumps(failed)}" if failed else "the run ended without success"
