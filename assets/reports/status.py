"""The results in a home as one JSON value, for `emberline status`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, read_manifest
from assets.reports.champion import alias_problem
from assets.training.config import Tracking
from assets.training.register import RegistryError, registration_problem
from trainers.stages.registry import STAGE_NAMES

STAGE_FACTS = (
    "stage",
    "steps",
    "first_validation_loss",
    "last_validation_loss",
    "seconds",
    "samples_per_second",
    "world_size",
    "zero_stage",
    "version",
)


def status(lake: Lake, tracking: Tracking) -> dict[str, Any]:
    """Returns funnel, filters, stages, evaluator, benchmark, registry, coverage and size of a home.

    A result that does not exist yet is None. What is said about the registry is what the registry answers.

    Args:
        lake: of the home.
        tracking: MLflow server with the versions.
    """
    stages = [read_manifest(lake, stage) for stage in STAGE_NAMES]
    return {
        "home": lake.root,
        "funnel": _fact(lake, "funnel", "funnel"),
        "filters": _fact(lake, "funnel", "filters"),
        "unreadable": _fact(lake, "funnel", "unreadable"),
        "coverage": _fact(lake, "longtail", "coverage"),
        "evaluator": _evaluator(lake),
        "stages": [_stage(manifest) for manifest in stages if manifest is not None] or None,
        "bench": _fact(lake, "bench_report", "kinds"),
        "bench_editors": _fact(lake, "bench_report", "editors"),
        "registry": _registry(lake, tracking),
        "disk_bytes": _disk_bytes(Path(lake.root)) if lake.is_local else None,
    }


def _stage(manifest: Manifest) -> Mapping[str, Any]:
    return {name: manifest.facts.get(name) for name in STAGE_FACTS}


def _evaluator(lake: Lake) -> Mapping[str, Any] | None:
    manifest = read_manifest(lake, "evaluator")
    names = ("auc", "auc_instruction_only", "auc_pictures_only")
    if manifest is None:
        return None
    return {**{name: manifest.facts.get(name) for name in names}, "seconds": manifest.seconds}


def _registry(lake: Lake, tracking: Tracking) -> Mapping[str, Any] | None:
    """Returns the aliases in the registry and the last decision; None before the first promotion.

    `problems` lists what the manifests claim although the registry answers otherwise.
    """
    from mlflow.exceptions import MlflowException

    from models.registry.registry import aliases

    manifest = read_manifest(lake, "champion")
    if manifest is None:
        return None
    stages = [one for stage in STAGE_NAMES if (one := read_manifest(lake, stage)) is not None]
    problems = [registration_problem(tracking, one) for one in stages]
    problems.append(alias_problem(tracking, manifest))
    try:
        found = aliases(name=tracking.model, tracking_uri=tracking.uri)
    except (MlflowException, OSError) as error:
        problems, found = [str(RegistryError(tracking.uri, error))], {}
    versions = {one.facts["version"]: one.name for one in stages}
    return {
        "name": tracking.model,
        "server": tracking.uri,
        "aliases": {
            alias: {"version": number, "stage": versions.get(number)} for alias, number in found.items()
        },
        "decision": manifest.facts["decision"],
        "problems": list(dict.fromkeys(problem for problem in problems if problem)),
    }


def _fact(lake: Lake, step: str, name: str) -> Any:
    manifest = read_manifest(lake, step)
    return manifest.facts.get(name) if manifest is not None else None


def _disk_bytes(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())
