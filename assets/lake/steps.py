"""A step turns named inputs and a configuration into files, once: its manifest, written last, says so."""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.lake.ids import digest
from assets.lake.lake import Lake


class MissingInputError(LookupError):
    """A step was asked for before the steps that it reads."""


@dataclass(frozen=True)
class Step:
    """What a step is: a readable name and version, what it reads, and the settings that decide its result."""

    name: str
    version: str
    inputs: tuple[str, ...]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class StepOutput:
    """What a step made. Files are paths in the lake; facts are a few JSON values worth showing a person."""

    files: tuple[str, ...]
    rows: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    preview: bytes | None = None


@dataclass(frozen=True)
class Manifest:
    """The record of a finished step. `content` changes only when the bytes of its files do."""

    name: str
    version: str
    fingerprint: str
    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    files: Mapping[str, str]
    rows: int
    facts: Mapping[str, Any]
    seconds: float
    finished_at: str
    git_commit: str | None
    reused: bool = False

    @property
    def content(self) -> str:
        """The digest of the step's files, which is what the steps that read it depend on."""
        return digest(dict(self.files))


def manifest_path(name: str) -> str:
    """Returns where a step's manifest lies; a partition's name is `asset/partition`."""
    return f"manifests/{name}.json"


def preview_path(name: str) -> str:
    """Returns where a step's contact sheet lies, if it made one."""
    return f"previews/{name}.jpg"


def read_manifest(lake: Lake, name: str) -> Manifest | None:
    """Returns the manifest of a finished step, or None."""
    path = manifest_path(name)
    return Manifest(**lake.read_json(path)) if lake.exists(path) else None


def require_manifest(lake: Lake, name: str) -> Manifest:
    """Returns the manifest of a finished step.

    Raises:
        MissingInputError: the step has not been made.
    """
    manifest = read_manifest(lake, name)
    if manifest is None:
        raise MissingInputError(f"{name} has not been made. Run it first.")
    return manifest


def read_manifests(lake: Lake, asset: str) -> list[Manifest]:
    """Returns the manifests of an asset: its own, or one for each of its partitions, in order."""
    own = read_manifest(lake, asset)
    if own is not None:
        return [own]
    paths = lake.list(f"manifests/{asset}", ".json")
    return [Manifest(**lake.read_json(path)) for path in paths]


def fingerprint(lake: Lake, step: Step) -> tuple[str, dict[str, str]]:
    """Returns what the step's result depends on, as one digest, and the content of each input.

    Raises:
        MissingInputError: an input has not been made yet.
    """
    contents = {}
    for name in step.inputs:
        found = read_manifests(lake, name)
        if not found:
            raise MissingInputError(f"{step.name} reads {name}, which has not been made. Run it first.")
        contents[name] = digest([manifest.content for manifest in found])
    return digest([step.name, step.version, dict(step.config), contents]), contents


def finished(lake: Lake, step: Step) -> Manifest | None:
    """Returns the step's manifest if nothing that it depends on has changed and its files are there."""
    manifest = read_manifest(lake, step.name)
    if manifest is None or manifest.fingerprint != fingerprint(lake, step)[0]:
        return None
    return manifest if all(lake.exists(path) for path in manifest.files) else None


def run_step(lake: Lake, step: Step, build: Callable[[], StepOutput]) -> Manifest:
    """Returns the step's manifest, calling `build` only if it is not finished.

    The old manifest goes before `build` starts, so a killed run is never taken for a finished one.
    """
    done = finished(lake, step)
    if done is not None:
        return Manifest(**{**asdict(done), "reused": True})
    mark, contents = fingerprint(lake, step)
    lake.delete(manifest_path(step.name))
    start = time.monotonic()
    output = build()
    if output.preview is not None:
        lake.write_bytes(preview_path(step.name), output.preview)
    manifest = Manifest(
        name=step.name,
        version=step.version,
        fingerprint=mark,
        inputs=contents,
        config=dict(step.config),
        files={path: hashlib.sha256(lake.read_bytes(path)).hexdigest() for path in sorted(output.files)},
        rows=output.rows,
        facts=dict(output.facts),
        seconds=round(time.monotonic() - start, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        git_commit=git_commit(),
    )
    record = asdict(manifest)
    del record["reused"]
    lake.write_json(manifest_path(step.name), record)
    return manifest


def git_commit() -> str | None:
    """Returns the commit that this code runs from, with `+` for local changes; None outside a repository."""
    if shutil.which("git") is None:
        return None
    root = Path(__file__).parents[2]
    shown = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip() or None if shown.returncode == 0 else None
