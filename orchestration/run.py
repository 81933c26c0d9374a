"""Runs assets of a profile in this process, as a Dagster run that the UI shows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
from rich.console import Console

from assets.corpora.batches import Tell
from assets.corpora.readers.reader import CorpusError
from assets.corpora.retired import retire_batches
from assets.lake.lake import Lake
from assets.lake.materialize import FORCE_TAG, PARTITIONED
from assets.lake.steps import read_manifests
from assets.training.assets import FRESH_TAG
from models.common.fields import identity_of
from orchestration.automation import batch_range, register_batches
from orchestration.console import RunConsole, is_interrupt
from orchestration.definitions import build_definitions
from orchestration.faults import failure_reason
from orchestration.home import BusyHomeError, lock_home
from orchestration.instance import (
    BY_COMMAND_LINE,
    WORKING,
    mark_killed_runs_failed,
    open_instance,
)
from orchestration.plan import PlannedAsset, plan
from orchestration.profile import Profile, load_profile
from orchestration.reference import reference_seconds, seconds

CORPUS = dg.AssetKey("demo_corpus")
INGESTED = {dg.AssetKey(name) for name in PARTITIONED}


class RunFailedError(RuntimeError):
    """An asset or a blocking check failed."""


def run_assets(
    profile: Profile,
    home: Path,
    selection: dg.AssetSelection,
    console: Console,
    *,
    fresh: bool = False,
    forced: Sequence[str] = (),
) -> None:
    """Runs the selected assets in the order of the lineage and keeps those that are finished.

    `demo_corpus` runs first, in a Dagster run of its own, because its files decide the ingest batches.

    Args:
        profile: settings.
        home: folder that holds all state.
        selection: assets to run.
        console: shows progress.
        fresh: archives a training run whose identity changed instead of refusing.
        forced: assets or steps that run although they are finished. Their files are set aside.

    Raises:
        BusyHomeError: another run is using this home, from the command line or the UI.
        HomeFormatError: another version of Emberline made this home.
        RunFailedError: an asset or a blocking check failed; the message says which and why.
    """
    with lock_home(home), open_instance(home) as instance:
        mark_killed_runs_failed(instance)
        _refuse_beside_ui(instance, home)
        lake = Lake(str(home))
        for corpus in retire_batches(lake, profile.corpora):
            console.print(f"Corpus {corpus} is not in the profile: its images are in no table any more.")
        planned = plan(profile, home, selection)

        def tell(line: str) -> None:
            console.print(line, soft_wrap=True, markup=False, highlight=False)

        keys = {dg.AssetKey(row.asset) for row in planned}
        with RunConsole(expected_seconds(lake, planned, profile), console) as follower:
            definitions = build_definitions(profile, home, follower.progress, follower)
            if CORPUS in keys:
                _execute(definitions, instance, [CORPUS], {FORCE_TAG: ",".join(forced)})
            rest = sorted(keys - {CORPUS})
            if rest:
                tags = dict(_batches(instance, lake, profile, tell)) if keys & INGESTED else {}
                tags |= {FRESH_TAG: str(fresh).lower(), FORCE_TAG: ",".join(forced)}
                _execute(definitions, instance, rest, tags)


def _refuse_beside_ui(instance: dg.DagsterInstance, home: Path) -> None:
    """Raises BusyHomeError if the UI has a run in progress, since such a run does not lock the home."""
    working = instance.get_runs(dg.RunsFilter(statuses=[*WORKING]), limit=1)
    if working:
        raise BusyHomeError(
            f"Run {working[0].run_id[:8]}, started in the UI, is using {home}. "
            "Wait until it ends, or terminate it there."
        )


def expected_seconds(
    lake: Lake, planned: Sequence[PlannedAsset], profile: Profile
) -> Mapping[str, float | None]:
    """Returns the expected seconds of each asset: 0 if it is finished, else the duration of its last run.

    For an asset that never ran in this home, it is the duration on the reference machine if the profile
    decides the same results as the demo's, and else None, which is unknown.
    """
    like_demo = identity_of(profile) == identity_of(load_profile("demo"))
    reference = reference_seconds() if like_demo else {}
    expected: dict[str, float | None] = {}
    for row in planned:
        manifests = read_manifests(lake, row.asset)
        known = seconds(manifests) if manifests else reference.get(row.asset)
        expected[row.asset] = 0.0 if row.state == "finished" else known
    return expected


def _batches(instance: dg.DagsterInstance, lake: Lake, profile: Profile, tell: Tell) -> Mapping[str, str]:
    """Returns the tags of a run over all ingest batches, after freezing new files into batches."""
    try:
        names = register_batches(instance, lake, profile.corpora, tell)
    except CorpusError as error:
        raise RunFailedError(f"raw_images cannot start: {error}") from error
    if not names:
        folders = ", ".join(corpus.path for corpus in profile.corpora.corpora)
        raise RunFailedError(f"raw_images cannot start: there are no files in {folders}. Put images there.")
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
    if any(event.is_failure and is_interrupt(event) for event in result.all_events):
        raise KeyboardInterrupt
    if not result.success:
        raise RunFailedError(_reason(result))


def _reason(result: dg.ExecuteInProcessResult) -> str:
    reason = failure_reason(result.all_events)
    if reason is not None:
        return reason
    failed = [e.check_name for e in result.get_asset_check_evaluations() if not e.passed]
    return f"checks failed: {json.dumps(failed)}" if failed else "the run ended without success"
