"""The results in a home as one JSON value, for `emberline status`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, read_manifest
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


def status(lake: Lake) -> dict[str, Any]:
    """Returns funnel, filters, stages, evaluator, benchmark, registry, coverage and size of a home.

    A result that does not exist yet is None.
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
        "registry": _registry(lake),
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


def _registry(lake: Lake) -> Mapping[str, Any] | None:
    manifest = read_manifest(lake, "champion")
    return dict(manifest.facts) if manifest is not None else None


def _fact(lake: Lake, step: str, name: str) -> Any:
    manifest = read_manifest(lake, step)
    return manifest.facts.get(name) if manifest is not None else None


def _disk_bytes(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())
