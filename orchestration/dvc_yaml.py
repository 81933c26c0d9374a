"""Writes `dvc.yaml` from the asset graph, so that the graph is defined only once.

    python -m orchestration.dvc_yaml

A DVC stage is a phase of the lineage, not an asset, and calls the command line. DVC stores the parameters of
a phase, its figures, and a list of its files with checksums. Images, shards and checkpoints stay in the home.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import yaml

from assets.reports.export import KINDS_FILE, LOSSES_FOLDER, MANIFESTS_FILE, METRICS_FILE
from orchestration.automation import jobs
from orchestration.definitions import build_definitions
from orchestration.profile import PROFILES, Profile, default_home, load_profile
from orchestration.selection import job_assets
from trainers.stages.registry import STAGE_NAMES

ROOT = Path(__file__).parents[1]
DVC_YAML = ROOT / "dvc.yaml"
RESULTS = "results"

HEAD = """\
# Written by `python -m orchestration.dvc_yaml` from the asset graph. Change the graph, not this file.
# `dvc repro` runs the demo; `dvc metrics diff` and `dvc plots diff` compare its figures with another commit.
"""


class DvcPhase(NamedTuple):
    """A DVC stage: the job that it runs, the packages that its result depends on, and the phase before it."""

    job: str
    code: tuple[str, ...]
    after: str | None


PHASES: Mapping[str, DvcPhase] = {
    "prepare": DvcPhase("data", ("assets", "models", "trainers"), None),
    "train": DvcPhase("train", ("assets", "models", "trainers"), "prepare"),
    "benchmark": DvcPhase("bench", ("assets", "benchmarks", "models"), "train"),
}


def dvc_pipeline(profile: Profile, file: str, options: str = "") -> dict[str, Any]:
    """Returns the content of `dvc.yaml`.

    Args:
        profile: its sections are the parameters of the phases.
        file: path of the profile's file, relative to the repository.
        options: options for every command, such as ` --home somewhere`, with a leading space.
    """
    definitions = build_definitions(profile, default_home(profile))
    stages = {
        name: _stage(name, phase, _sections(profile, definitions, phase.job), file, options=options)
        for name, phase in PHASES.items()
    }
    return {"stages": stages, "plots": _plots()}


def _stage(
    name: str, phase: DvcPhase, sections: Sequence[str], file: str, *, options: str
) -> Mapping[str, Any]:
    folder = f"{RESULTS}/{name}"
    command = f"emberline run --job {phase.job}{options}"
    export = f"emberline export --job {phase.job}{options} --to {folder}"
    before = [] if phase.after is None else [f"{RESULTS}/{phase.after}/{MANIFESTS_FILE}"]
    # Emberline knows what is due, DVC does not: a state that DVC restores from its cache may not be the
    # home's. So every phase runs each time, which takes seconds where nothing is due.
    stage: dict[str, Any] = {
        "always_changed": True,
        "desc": next(job.description for job in jobs if job.name == phase.job),
        "cmd": [command, export],
        "deps": [*phase.code, *before],
        "params": [{file: list(sections)}],
        "outs": [f"{folder}/{MANIFESTS_FILE}", *(_kept(f"{folder}/{plot}") for plot in _curves(phase.job))],
        "metrics": [_kept(f"{folder}/{METRICS_FILE}")],
    }
    return stage


def _kept(path: str) -> Mapping[str, Any]:
    """Returns an output that is kept in Git instead of DVC's cache: small text that commits compare."""
    return {path: {"cache": False}}


def _curves(job: str) -> tuple[str, ...]:
    return {"train": (LOSSES_FOLDER,), "bench": (KINDS_FILE,)}.get(job, ())


def _plots() -> list[Mapping[str, Any]]:
    curves = (("validation loss", "validation_loss"), ("training loss", "loss"))
    losses = [_loss_plot(title, column) for title, column in curves]
    return losses + [_kinds_plot(editor) for editor in ("copying", *STAGE_NAMES)]


def _loss_plot(title: str, column: str) -> Mapping[str, Any]:
    curves = {f"{RESULTS}/train/{LOSSES_FOLDER}/{stage}.csv": column for stage in STAGE_NAMES}
    axes = {"x": "step", "y": curves, "x_label": "optimizer step", "y_label": title}
    return {f"{title} of each stage": axes}


def _kinds_plot(editor: str) -> Mapping[str, Any]:
    kinds = f"{RESULTS}/benchmark/{KINDS_FILE}"
    axes = {"x": {kinds: editor}, "y": {kinds: "kind"}, "x_label": "latent error", "y_label": "kind of edit"}
    return {f"latent error of {editor}": {"template": "bar_horizontal", **axes}}


def _sections(profile: Profile, definitions: dg.Definitions, job: str) -> list[str]:
    """Returns the profile sections that the assets of a job require, as dotted names."""
    required: set[str] = set()
    for asset in job_assets(definitions, job):
        required |= definitions.resolve_assets_def(dg.AssetKey(asset)).required_resource_keys
    own = required & type(profile).model_fields.keys()
    training = required & type(profile.training).model_fields.keys()
    mixtures = {stage for stage in STAGE_NAMES if f"{stage}_mixture" in required}
    return [
        *sorted(own - {"engine", "tracking"}),
        *sorted(f"mixtures.stages.{stage}" for stage in mixtures),
        *sorted(f"training.{name}" for name in training),
    ]


def render(pipeline: Mapping[str, Any]) -> str:
    """Returns the text of `dvc.yaml`."""
    return HEAD + "\n" + yaml.safe_dump(pipeline, sort_keys=False, width=110)


def main() -> None:
    """Writes `dvc.yaml` for the demo profile."""
    demo = PROFILES / "demo.yaml"
    DVC_YAML.write_text(render(dvc_pipeline(load_profile("demo"), demo.relative_to(ROOT).as_posix())))


if __name__ == "__main__":
    main()
