"""Compares what the manifests of a home claim with its files and with the model registry."""

from dataclasses import replace
from typing import NamedTuple

from assets.lake.lake import Lake
from assets.lake.run_step import damaged_files
from assets.lake.steps import Manifest, damaged_manifests, read_manifest, read_manifests
from assets.reports.champion import alias_problem
from assets.training.config import Tracking
from assets.training.register import registration_problem
from models.common.progress import Progress
from trainers.stages.registry import STAGE_NAMES

FILES_AT_ONCE = 50
"""Files that are read between two reports of progress."""


class Finding(NamedTuple):
    """Something that is not as a manifest claims.

    Attributes:
        asset: the asset whose manifest claims it.
        path: the file in the lake; None for a claim about the registry.
        text: one line for people.
    """

    asset: str
    path: str | None
    text: str


def verify(lake: Lake, assets: list[str], tracking: Tracking, progress: Progress) -> list[Finding]:
    """Returns everything that is not as the manifests claim. Reads every file of the home once.

    Args:
        lake: of the home.
        assets: names of all assets, in the order of the lineage. A file counts for the first that made it.
        tracking: MLflow server with the registered versions.
        progress: called with the number of files that were read.
    """
    findings: list[Finding] = []
    checked: set[str] = set()
    stored = {asset: read_manifests(lake, asset) for asset in assets}
    total = len({path for manifests in stored.values() for one in manifests for path in one.files})
    finished = {
        name
        for asset, manifests in stored.items()
        if manifests
        for name in (asset, *(one.name for one in manifests))
    }
    lost: dict[str, str] = {}
    for asset in assets:
        findings += [Finding(asset, path, f"{path} is damaged") for path in damaged_manifests(lake, asset)]
        for manifest in stored[asset]:
            lost |= {name: asset for name in manifest.inputs if name not in finished}
            unread = sorted(manifest.files.keys() - checked)
            for start in range(0, len(unread), FILES_AT_ONCE):
                part = unread[start : start + FILES_AT_ONCE]
                files = replace(manifest, files={path: manifest.files[path] for path in part})
                problems = damaged_files(lake, files, digests=True)
                findings += [Finding(asset, path, f"{path} {text}") for path, text in problems.items()]
                checked.update(part)
                progress("verifying", len(checked), total)
            problem = _registry_problem(asset, manifest, tracking)
            findings += [Finding(asset, None, problem)] if problem else []
    return findings + [
        Finding(name, None, f"{name} has no manifest, although {reader} was made of it")
        for name, reader in lost.items()
    ]


def set_damaged_aside(lake: Lake, findings: list[Finding], tracking: Tracking) -> None:
    """Moves damaged files, also those of registered versions, aside, so that the next run restores them."""
    from models.registry.registry import set_files_aside

    for finding in findings:
        if finding.path is not None and lake.exists(finding.path):
            lake.set_aside(finding.path)
        manifest = read_manifest(lake, finding.asset)
        if finding.path is None and finding.asset in STAGE_NAMES and manifest is not None:
            number = manifest.facts["version"]
            set_files_aside(number, name=tracking.model, tracking_uri=tracking.uri)


def _registry_problem(asset: str, manifest: Manifest, tracking: Tracking) -> str | None:
    if asset in STAGE_NAMES:
        return registration_problem(tracking, manifest, read=True)
    return alias_problem(tracking, manifest) if asset == "champion" else None
