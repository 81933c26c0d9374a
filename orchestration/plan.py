"""The plan of a run: which assets are due, where they would run and what they need. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import dagster as dg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.corpora.retired import corpora_that_left
from assets.lake.lake import Lake
from assets.lake.materialize import PARTITIONED, step_of
from assets.lake.run_step import Reason, StepHooks, why_due
from assets.lake.steps import Manifest, MissingInputError, read_manifest, read_manifests
from assets.reports.champion import alias_problem
from assets.training.config import Tracking
from assets.training.register import registration_problem
from orchestration.definitions import build_definitions
from orchestration.estimate import parameter_count, rank_memory
from orchestration.profile import Profile
from orchestration.resources import build_resources, tracking
from orchestration.selection import selected_assets
from trainers.stages.registry import STAGE_NAMES

SHOWN_REASONS = 5

State = Literal["finished", "due", "depends"]


class PlannedAsset(NamedTuple):
    """One asset of a plan.

    Attributes:
        asset: its name.
        state: `finished`; `due`; or `depends`, which means due only if the files that it reads change.
        reasons: why it is due; empty if it is not.
        runs_on: where it runs, in words.
        needs: what it needs besides its inputs, one line each.
    """

    asset: str
    state: State
    reasons: tuple[Reason, ...]
    runs_on: str
    needs: tuple[str, ...]


def plan(profile: Profile, home: Path, selection: dg.AssetSelection) -> list[PlannedAsset]:
    """Returns the selected assets in the order in which they would run.

    Raises:
        SelectionError: nothing is selected.
    """
    definitions = build_definitions(profile, home)
    resources = build_resources(profile, home, None)
    graph = definitions.resolve_asset_graph()
    chosen = selected_assets(selection, definitions)
    lake = Lake(str(home))
    left = corpora_that_left(lake, profile.corpora)
    checks = world_checks(resources["tracking"])
    states: dict[str, State] = {}
    planned = []
    for key in graph.toposorted_asset_keys:
        asset = key.path[-1]
        upstream = {parent.path[-1] for parent in graph.get(key).parent_keys}
        hooks = StepHooks(world=checks.get(asset))
        reasons = _reasons(lake, definitions, key, resources, hooks)
        if asset == PARTITIONED[0]:
            reasons += [Reason("input", name, f"corpus {name} left the profile") for name in left]
        damaged_above = [one for one in reasons if one.kind == "file" and _is_of_input(lake, upstream, one)]
        reasons = [one for one in reasons if one not in damaged_above]
        states[asset] = "due" if reasons else "depends" if damaged_above else "finished"
        if states[asset] == "finished" and any(states[name] != "finished" for name in upstream):
            states[asset] = "depends"
        if key in chosen:
            required = definitions.resolve_assets_def(key).required_resource_keys
            needs = tuple(_needs(profile, home, asset, required))
            runs_on = _runs_on(profile, asset, required)
            planned.append(PlannedAsset(asset, states[asset], tuple(reasons), runs_on, needs))
    return planned


def print_consequences(profile: Profile, home: Path, since: str, console: Console) -> None:
    """Prints how many verdicts the run changed, and which assets a run of all assets would check again.

    Args:
        profile: of the run.
        home: of the run.
        since: start of the run, in the format of `Manifest.finished_at`.
        console: where to print.
    """
    manifest = read_manifest(Lake(str(home)), "filtered")
    if manifest is not None and manifest.finished_at >= since and manifest.facts["changed"]:
        change = manifest.facts["changed"]
        counts = f"{change['newly_dropped']} images newly dropped, {change['newly_kept']} newly kept"
        console.print(
            f"filtered: {counts}; {change['samples_that_use_them']} samples depend on them.", soft_wrap=True
        )
    rows = plan(profile, home, dg.AssetSelection.all())
    stale = [row.asset for row in rows if row.state != "finished"]
    if stale:
        console.print(
            f"A run of all assets would check these assets again: {', '.join(stale)}.", soft_wrap=True
        )


def print_plan(profile: Profile, home: Path, selection: dg.AssetSelection, console: Console) -> None:
    """Prints the plan of a run as a table."""
    rows = plan(profile, home, selection)
    size = parameter_count(profile.training.trainer.editor)
    console.print(f"{profile.name}: {profile.description}; an editor of {size:,} parameters", soft_wrap=True)
    table = Table()
    for column in ("asset", "state", "why", "runs on", "needs"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if row.asset == "demo_corpus" and profile.demo is None:
            continue  # its step only notes that there is no such corpus
        style = {"finished": "green", "due": "yellow", "depends": "dim"}[row.state]
        why = "\n".join([reason.text for reason in row.reasons[:SHOWN_REASONS]] + _more(row))
        table.add_row(row.asset, Text(row.state, style=style), why, row.runs_on, Text("\n".join(row.needs)))
    console.print(table)
    console.print(f"home: {home}", soft_wrap=True)


def _more(row: PlannedAsset) -> list[str]:
    hidden = len(row.reasons) - SHOWN_REASONS
    return [f"and {hidden} more reasons"] if hidden > 0 else []


def world_checks(tracking: Tracking) -> Mapping[str, Callable[[Manifest], str | None]]:
    """Returns, by asset, how to compare a manifest's claims with the model registry."""
    stages = dict.fromkeys(STAGE_NAMES, partial(registration_problem, tracking))
    return {**stages, "champion": partial(alias_problem, tracking)}


def _reasons(
    lake: Lake, definitions: dg.Definitions, key: dg.AssetKey, resources: Mapping[str, Any], hooks: StepHooks
) -> list[Reason]:
    """Returns why an asset is due; for a partitioned asset, the reasons of all its batches."""
    asset = key.path[-1]
    assets_def = definitions.resolve_assets_def(key)
    batches = [manifest.name.partition("/")[2] for manifest in read_manifests(lake, asset)]
    partitions: list[str | None] = [*batches] if asset in PARTITIONED else [None]
    try:
        reasons = [
            reason
            for batch in partitions
            for reason in why_due(lake, step_of(assets_def, key, resources, batch), hooks)
        ]
    except MissingInputError:
        made = read_manifest(lake, asset) is not None  # an input is damaged
        text = "an asset that it reads has to run first" if made else "it has not run yet"
        reasons = [Reason("input" if made else "new", asset, text)]
    return list(dict.fromkeys(reasons)) if partitions else [Reason("new", asset, "it has not run yet")]


def _is_of_input(lake: Lake, upstream: Set[str], reason: Reason) -> bool:
    """Returns whether a damaged file is one that an input hands on, so that the input makes it again."""
    return any(reason.name in manifest.files for name in upstream for manifest in read_manifests(lake, name))


def _runs_on(profile: Profile, asset: str, required: Set[str]) -> str:
    if asset in STAGE_NAMES:
        stage = getattr(profile.training, asset)
        return f"{profile.training.trainer.ranks} ranks, ZeRO stage {stage.zero_stage}, {stage.precision}"
    if "engine" in required:
        return f"{profile.engine.kind}, {profile.engine.workers} workers"
    return "this process"


def _needs(profile: Profile, home: Path, asset: str, required: Set[str]) -> Iterator[str]:
    """Yields what an asset needs besides its inputs, according to the resources that it requires."""
    if "corpora" in required:
        yield from _corpora(profile)
    if "backends" in required:
        path = profile.backends.text_encoder
        yield f"text encoder all-MiniLM-L6-v2: {path or 'from the hub cache or an installed package'}"
    if "longtail" in required:
        yield f"Qdrant: {profile.longtail.qdrant_url or 'local mode, in the home'}"
    if "tracking" in required:
        yield f"MLflow: {tracking(profile, home).uri}"
    yield from (need for stage in STAGE_NAMES if stage == asset for need in _stage_needs(profile, stage))


def _corpora(profile: Profile) -> Iterator[str]:
    for corpus in profile.corpora.corpora:
        yield f"{corpus.name}: {corpus.path}"
        if corpus.path.startswith("s3://"):
            yield "keys of the S3 store in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def _stage_needs(profile: Profile, stage: str) -> Iterator[str]:
    config, trainer = getattr(profile.training, stage), profile.training.trainer
    side = profile.mixtures.stages[stage].side
    yield f"{config.steps:,} steps of {config.batch_size:,} samples at {side} px"
    memory = rank_memory(trainer.editor, config, trainer.ranks)
    parts = ", ".join(f"{name} {_gib(size)}" for name, size in memory._asdict().items() if size)
    yield f"{_gib(sum(memory))} GiB per rank, without activations ({parts})"


def _gib(size: float) -> str:
    return f"{size:,.1f}" if size >= 0.1 else "under 0.1"
