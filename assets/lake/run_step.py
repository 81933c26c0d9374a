"""Runs a step unless it is finished, and says why a step is due."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from assets.lake.home_format import mark_format
from assets.lake.lake import Lake
from assets.lake.platform_record import git_commit, platform_record
from assets.lake.steps import (
    Manifest,
    Step,
    StepOutput,
    fingerprint,
    manifest_path,
    preview_path,
    read_manifest,
    read_manifests,
    write_manifest,
)

ReasonKind = Literal["new", "version", "setting", "input", "limit", "file", "world", "forced"]


class Reason(NamedTuple):
    """Why a step is due.

    Attributes:
        kind: `new`: it has no intact manifest; `version`: its code changed; `setting`, `input`, `limit`,
            `file`: that changed; `world`: something outside the lake is not as the manifest says; `forced`.
        name: the field, input, limit or file, or the name of the step.
        text: one line for people.
    """

    kind: ReasonKind
    name: str
    text: str


@dataclass(frozen=True)
class StepHooks:
    """What an asset adds to its step.

    Attributes:
        before: called before the step changes anything. If it raises, everything stays as it was.
        world: says what a manifest claims about the world outside the lake although it does not hold; None
            if all holds.
    """

    before: Callable[[], None] | None = None
    world: Callable[[Manifest], str | None] | None = None


NO_HOOKS = StepHooks()


class DamagedFileError(RuntimeError):
    """A file is not the one that its manifest records.

    Attributes:
        path: its path in the lake.
    """

    def __init__(self, lake: Lake, path: str) -> None:
        self.path = path
        super().__init__(
            f"{lake.uri(path)} is not the file that its manifest records. "
            "Run `emberline verify --repair`, which makes it again."
        )


def why_due(lake: Lake, step: Step, hooks: StepHooks = NO_HOOKS, *, forced: bool = False) -> list[Reason]:
    """Returns the reasons why a step has to run; none if it is finished.

    Existence and size of every file are checked, not its digest.

    Raises:
        MissingInputError: an input has not finished yet.
    """
    mark, contents = fingerprint(lake, step)
    manifest = read_manifest(lake, step.name)
    if manifest is None:
        damaged = lake.exists(manifest_path(step.name))
        text = "its manifest is damaged" if damaged else "it has not run yet"
        return [Reason("new", step.name, text)]
    reasons = [Reason("forced", step.name, "--force names it")] if forced else []
    if manifest.version != step.version:
        reasons.append(
            Reason("version", step.name, f"version of its code: {manifest.version} -> {step.version}")
        )
    reasons += _changed_settings(manifest.config, step.config)
    reasons += [
        Reason("input", name, f"input {name} changed")
        for name in sorted(manifest.inputs.keys() | contents.keys())
        if manifest.inputs.get(name) != contents.get(name)
    ]
    if not reasons and mark != manifest.fingerprint:  # the same settings, but for rules the order counts
        reasons.append(Reason("setting", step.name, "the order of its settings changed"))
    reasons += [
        Reason("limit", name, f"{name} rose from {value} to {step.limits[name]}, and it had stopped files")
        for name, value in manifest.stopped_by.items()
        if step.limits.get(name, value) > value
    ]
    reasons += [
        Reason("file", path, f"{path} {problem}") for path, problem in damaged_files(lake, manifest).items()
    ]
    problem = hooks.world(manifest) if hooks.world is not None and not reasons else None
    return [*reasons, Reason("world", step.name, problem)] if problem else reasons


def damaged_files(lake: Lake, manifest: Manifest, *, digests: bool = False) -> dict[str, str]:
    """Returns what is wrong with the files of a step, by path: missing, or of another size or content.

    Args:
        lake: holds the files.
        manifest: of the step.
        digests: reads every file and compares its SHA-256 too.
    """
    problems = {}
    for path, sha256 in manifest.files.items():
        size = lake.size_or_none(path)
        if size is None:
            problems[path] = "is missing"
        elif size != manifest.sizes[path]:
            problems[path] = f"has {size:,} bytes instead of {manifest.sizes[path]:,}"
        elif digests and file_sha256(lake, path) != sha256:
            problems[path] = "has other content than its manifest records"
    return problems


def check_inputs(lake: Lake, step: Step) -> None:
    """Compares the SHA-256 of every file of a step's inputs with the manifests.

    For steps whose result is expensive or is passed on, such as training.

    Raises:
        DamagedFileError: a file differs.
    """
    for name in step.inputs:
        for manifest in read_manifests(lake, name):
            for path in damaged_files(lake, manifest, digests=True):
                raise DamagedFileError(lake, path)


def run_step(
    lake: Lake,
    step: Step,
    build: Callable[[], StepOutput],
    hooks: StepHooks = NO_HOOKS,
    *,
    forced: bool = False,
) -> Manifest:
    """Returns the step's manifest, calling `build` only if the step is due.

    Args:
        lake: holds the manifests.
        step: what the result depends on.
        build: writes the files. The old manifest is removed first, so a killed step never counts as
            finished.
        hooks: what the asset adds.
        forced: runs the step although it is finished. Its files are set aside, not deleted.
    """
    manifest = read_manifest(lake, step.name)
    if manifest is not None and not why_due(lake, step, hooks, forced=forced):
        return replace(manifest, reused=True)
    mark, contents = fingerprint(lake, step)
    mark_format(lake)
    if hooks.before is not None:
        hooks.before()
    if manifest is not None:
        _set_aside(lake, step, manifest, everything=forced)
    lake.delete(manifest_path(step.name))
    start = time.monotonic()
    output = build()
    if output.preview is not None:
        lake.write_bytes(preview_path(step.name), output.preview)
    known = _files_of_inputs(lake, step)
    files = sorted(set(output.files))
    made = Manifest(
        name=step.name,
        version=step.version,
        fingerprint=mark,
        inputs=contents,
        config=dict(step.config),
        files={path: known.get(path) or file_sha256(lake, path) for path in files},
        sizes={path: lake.size(path) for path in files},
        rows=output.rows,
        facts=dict(output.facts),
        seconds=round(time.monotonic() - start, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        git_commit=git_commit(),
        stopped_by=dict(output.stopped_by),
        platform=platform_record(),
    )
    write_manifest(lake, made)
    return made


def file_sha256(lake: Lake, path: str) -> str:
    """Returns the SHA-256 of a file as hex digits, reading it in pieces."""
    with lake.filesystem.open(lake.uri(path), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]


def _set_aside(lake: Lake, step: Step, manifest: Manifest, *, everything: bool) -> None:
    """Moves files that only this step makes out of the way, so that `build` makes them again.

    Args:
        lake: holds the files.
        step: the step that is about to run.
        manifest: of its last run.
        everything: all of its files, instead of only the damaged ones.
    """
    handed_on = _files_of_inputs(lake, step)
    for path in manifest.files if everything else damaged_files(lake, manifest):
        if path not in handed_on and lake.exists(path):
            lake.set_aside(path)


def _files_of_inputs(lake: Lake, step: Step) -> dict[str, str]:
    manifests = (manifest for name in step.inputs for manifest in read_manifests(lake, name))
    return {path: sha256 for manifest in manifests for path, sha256 in manifest.files.items()}


def _changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Reason]:
    before, after = dict(_flat(old)), dict(_flat(json.loads(json.dumps(dict(new)))))
    for name in sorted(before.keys() | after.keys()):
        values = [_shown(flat, name) for flat in (before, after)]
        if name not in before or name not in after or before[name] != after[name]:
            yield Reason("setting", name, f"{name}: {values[0]} -> {values[1]}")


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields settings by dotted name. Identities hold mappings as lists of pairs, because order counts."""
    pairs: Sequence[Any] = []
    if isinstance(value, Mapping):
        pairs = [*value.items()]
    elif isinstance(value, list) and all(
        isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) for one in value
    ):
        pairs = value
    if not pairs:
        yield prefix, value
    for name, inner in pairs:
        yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))


def _shown(flat: Mapping[str, Any], name: str) -> str:
    return json.dumps(flat[name], ensure_ascii=False) if name in flat else "(none)"
