"""Steps and their manifests: what a result depends on, and the record of a finished step."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from assets.lake.ids import digest
from assets.lake.lake import Lake


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
        sizes: bytes of each of these files.
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
    sizes: Mapping[str, int]
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
    """Returns the manifest of a step; None if the step has not finished, or if its manifest is damaged."""
    return _read(lake, manifest_path(name))


def write_manifest(lake: Lake, manifest: Manifest) -> None:
    """Writes the manifest of a step, with a checksum of itself."""
    record = asdict(manifest)
    del record["reused"]
    lake.write_checked(manifest_path(manifest.name), record)


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
    stored = (_read(lake, path) for path in lake.list(f"manifests/{asset}", ".json"))
    return [manifest for manifest in stored if manifest is not None]


def damaged_manifests(lake: Lake, asset: str) -> list[str]:
    """Returns the paths of an asset's manifests that cannot be read, those of its partitions included."""
    paths = [path for path in (manifest_path(asset),) if lake.exists(path)]
    return [path for path in [*paths, *lake.list(f"manifests/{asset}", ".json")] if _read(lake, path) is None]


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


def handed_on(lake: Lake, step: str, *patterns: str) -> list[str]:
    """Returns the files of a finished step, over all its partitions, that match one of the patterns.

    Raises:
        MissingInputError: the step has not finished.
    """
    manifests = read_manifests(lake, step)
    if not manifests:
        raise MissingInputError(f"{step} has not run yet. Run it first.")
    return list(dict.fromkeys(path for manifest in manifests for path in manifest.paths(*patterns)))


def _read(lake: Lake, path: str) -> Manifest | None:
    record = lake.read_checked(path)
    return None if record is None else Manifest(**record)
