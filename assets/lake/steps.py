"""A step turns inputs and settings into files once. Its manifest, which is written last, records it."""

import contextlib
import functools
import hashlib
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from assets.lake.home_format import mark_format
from assets.lake.ids import digest
from assets.lake.lake import Lake

NUMERIC_PACKAGES = (
    "numpy",
    "polars",
    "pillow",
    "opencv-python-headless",
    "onnxruntime",
    "torch",
    "deepspeed",
    "transformers",
    "diffusers",
)


class MissingInputError(LookupError):
    """A step that another one reads has not run yet."""


@dataclass(frozen=True)
class Step:
    """What the result of a step depends on.

    Attributes:
        name: name of the step; for a partition, `asset/partition`.
        version: version of its code. Raise it when equal inputs and settings would give another result.
        inputs: the steps that it reads, each with patterns of the files that it reads, such as
            `measures/pdq@*`. No pattern means all files.
        config: the identity fields of its settings.
        limits: operational limits that may stop items of its work, by dotted name.
    """

    name: str
    version: str
    inputs: Mapping[str, tuple[str, ...]]
    config: Mapping[str, Any]
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StepOutput:
    """The output of a step.

    Attributes:
        files: paths in the lake of the files that the step wrote, and of input files that it hands on.
        rows: number of rows or items.
        facts: JSON values that people look at.
        preview: a contact sheet as JPEG.
        stopped_by: limits that stopped items of its work, with their values. The step is due again when one
            of them rises.
    """

    files: tuple[str, ...]
    rows: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    preview: bytes | None = None
    stopped_by: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The record of a finished step.

    Attributes:
        name: name of the step.
        version: version of its code.
        fingerprint: digest of name, version, config and the contents of its inputs.
        inputs: digest of each input, over the files of it that the step reads.
        config: the identity fields of its settings.
        files: SHA-256 by path, including input files that it hands on.
        rows: number of rows or items.
        facts: JSON values that people look at.
        seconds: duration of the step.
        finished_at: ISO 8601, UTC.
        git_commit: commit of the code; None outside a repository.
        stopped_by: see `StepOutput`.
        platform: CPU and library versions, which can change the last bits of results.
        reused: whether this run kept the step instead of running it.
    """

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
    stopped_by: Mapping[str, float] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)
    reused: bool = False

    @property
    def content(self) -> str:
        """The digest of all files of the step."""
        return digest(dict(self.files))

    def content_of(self, patterns: Sequence[str]) -> str:
        """Returns the digest of the files that match one of the patterns; of all files without patterns."""
        return digest({path: self.files[path] for path in self.paths(*patterns)})

    def paths(self, *patterns: str) -> list[str]:
        """Returns the files that match one of the patterns, or all files without patterns, in order.

        `*` also matches `/`, so `measures/pdq@*` matches all tables of the measure.
        """
        return [
            path
            for path in self.files
            if not patterns or any(fnmatchcase(path, pattern) for pattern in patterns)
        ]


def manifest_path(name: str) -> str:
    """Returns the path of a step's manifest."""
    return f"manifests/{name}.json"


def preview_path(name: str) -> str:
    """Returns the path of a step's contact sheet, which exists only if the step made one."""
    return f"previews/{name}.jpg"


def read_manifest(lake: Lake, name: str) -> Manifest | None:
    """Returns the manifest of a step; None if the step has not finished."""
    path = manifest_path(name)
    return Manifest(**lake.read_json(path)) if lake.exists(path) else None


def require_manifest(lake: Lake, name: str) -> Manifest:
    """Returns the manifest of a finished step.

    Raises:
        MissingInputError: the step has not finished.
    """
    manifest = read_manifest(lake, name)
    if manifest is None:
        raise MissingInputError(f"{name} has not run yet. Run it first.")
    return manifest


def read_manifests(lake: Lake, asset: str) -> list[Manifest]:
    """Returns the manifests of an asset: one, or one for each of its partitions in order."""
    own = read_manifest(lake, asset)
    if own is not None:
        return [own]
    paths = lake.list(f"manifests/{asset}", ".json")
    return [Manifest(**lake.read_json(path)) for path in paths]


def fingerprint(lake: Lake, step: Step) -> tuple[str, dict[str, str]]:
    """Returns the fingerprint of a step, and the digest of each input.

    Raises:
        MissingInputError: an input has not finished yet.
    """
    contents = {}
    for name, patterns in step.inputs.items():
        manifests = read_manifests(lake, name)
        if not manifests:
            raise MissingInputError(f"{step.name} reads {name}, which has not run yet. Run it first.")
        contents[name] = digest([manifest.content_of(patterns) for manifest in manifests])
    return digest([step.name, step.version, dict(step.config), contents]), contents


def finished(lake: Lake, step: Step) -> Manifest | None:
    """Returns the step's manifest if nothing that it depends on has changed and all its files exist."""
    manifest = read_manifest(lake, step.name)
    if manifest is None or manifest.fingerprint != fingerprint(lake, step)[0]:
        return None
    if any(step.limits.get(name, value) > value for name, value in manifest.stopped_by.items()):
        return None
    return manifest if all(lake.exists(path) for path in manifest.files) else None


def run_step(
    lake: Lake, step: Step, build: Callable[[], StepOutput], before: Callable[[], None] | None = None
) -> Manifest:
    """Returns the step's manifest, calling `build` only if the step is not finished.

    Args:
        lake: holds the manifests.
        step: what the result depends on.
        build: writes the files. The old manifest is removed first, so a killed step never counts as
            finished.
        before: called before the old manifest is removed. If it raises, everything stays as it was.
    """
    done = finished(lake, step)
    if done is not None:
        return Manifest(**{**asdict(done), "reused": True})
    mark, contents = fingerprint(lake, step)
    mark_format(lake)
    if before is not None:
        before()
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
        files=_digests(lake, step, output.files),
        rows=output.rows,
        facts=dict(output.facts),
        seconds=round(time.monotonic() - start, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        git_commit=git_commit(),
        stopped_by=dict(output.stopped_by),
        platform=platform_record(),
    )
    record = asdict(manifest)
    del record["reused"]
    lake.write_json(manifest_path(step.name), record)
    return manifest


def handed_on(lake: Lake, step: str, *patterns: str) -> list[str]:
    """Returns the files of a finished step, over all its partitions, that match one of the patterns.

    Raises:
        MissingInputError: the step has not finished.
    """
    manifests = read_manifests(lake, step)
    if not manifests:
        raise MissingInputError(f"{step} has not run yet. Run it first.")
    return list(dict.fromkeys(path for manifest in manifests for path in manifest.paths(*patterns)))


def _digests(lake: Lake, step: Step, files: Sequence[str]) -> dict[str, str]:
    """Returns the SHA-256 of a step's files. Files that an input hands on are not read again."""
    known = {
        path: sha256
        for name in step.inputs
        for manifest in read_manifests(lake, name)
        for path, sha256 in manifest.files.items()
    }
    return {
        path: known.get(path) or hashlib.sha256(lake.read_bytes(path)).hexdigest()
        for path in sorted(set(files))
    }


def git_commit() -> str | None:
    """Returns the commit of this code, with `+` if there are local changes; None outside a repository."""
    if shutil.which("git") is None:
        return None
    root = Path(__file__).parents[2]
    process = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return process.stdout.strip() or None if process.returncode == 0 else None


@functools.cache
def platform_record() -> dict[str, str]:
    """Returns the CPU model and the versions of the libraries that compute results.

    Results can differ in their last bits between two platforms; see docs/architecture.md.
    """
    versions = {}
    for package in NUMERIC_PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"cpu": _cpu_model(), "python": platform.python_version(), **versions}


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
