"""The identity of a training run, and what happens to an older run in the same folder.

A changed setting never deletes anything in a run's folder. A run with another identity is refused, or
archived under its fingerprint on request. Imports no Torch, because the asset checks the identity before it
starts any rank.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.common.fields import identity_of
from models.common.files import file_digest, try_lock, write_atomically
from trainers.config import StageRun
from trainers.data.cache import INDEX_NAME, MADE_WITH
from trainers.stages.registry import stage_spec

IDENTITY = "identity.json"
RESULT = "result.json"
FILES = "files"
"""Key of a result with the SHA-256 of each file of the result, by its name inside the folder of the run."""

CHECKPOINTS = "checkpoints"
ARCHIVE = "archive"
SEGMENTS = "segments"
FINAL = "final"
SEEN_TABLE = "seen.parquet"
LOCK = ".lock"
LOCK_SECONDS = 60.0
FINGERPRINT_DIGITS = 12
SHOWN_DIGEST_DIGITS = 12

MISSING = "(missing)"


@dataclass(frozen=True)
class Layout:
    """How the state of a checkpoint is sharded. Only an unfinished run depends on it."""

    world_size: int
    zero_stage: int

    def __str__(self) -> str:
        return f"{self.world_size} rank{'s' if self.world_size > 1 else ''} with ZeRO stage {self.zero_stage}"


class IdentityChangedError(RuntimeError):
    """The folder holds a run of another identity.

    Attributes:
        stage: name of the stage.
        changes: old and new value of each field that differs, by dotted name.
    """

    def __init__(self, stage: str, folder: Path, changes: Mapping[str, tuple[Any, Any]]) -> None:
        self.stage, self.changes = stage, dict(changes)
        lines = "\n".join(f"  {name}: {_shown(old)} -> {_shown(new)}" for name, (old, new) in changes.items())
        super().__init__(
            f"{folder} holds a run of {stage} with other settings or data:\n{lines}\n"
            f"Restore the old values to continue it, or run with --fresh, which moves it to "
            f"{folder / ARCHIVE} and starts a new one."
        )


class LayoutChangedError(RuntimeError):
    """An unfinished checkpoint was written by another number of ranks, or sharded in another way.

    Attributes:
        stage: name of the stage.
        stored: layout of the checkpoint.
        wanted: layout of this run.
    """

    def __init__(self, stage: str, folder: Path, stored: Layout, wanted: Layout) -> None:
        self.stage, self.stored, self.wanted = stage, stored, wanted
        super().__init__(
            f"{folder} holds an unfinished checkpoint of {stored}, but this run has {wanted}. "
            f"Finish it with {stored}, or run with --fresh, which moves it to {folder / ARCHIVE} "
            "and starts a new one."
        )


class MissingWeightsError(FileNotFoundError):
    """A folder that the run reads contains no weights."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks the folder of a run. Waits up to a minute, since the ranks of a killed run may still be alive.

    Raises:
        TimeoutError: another process has locked the folder for a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as stream:
        end = time.monotonic() + LOCK_SECONDS
        while not try_lock(stream):
            if time.monotonic() > end:
                raise TimeoutError(f"Another training run is using {folder}. Wait until it ends, or stop it.")
            time.sleep(0.2)
        yield


def input_digests(run: StageRun) -> dict[str, str]:
    """Returns digests of what a run reads: mixture, encoders of the caches, all weights of each model.

    Raises:
        MissingWeightsError: the folder of a model contains no safetensors file.
    """
    digests = {
        "mixture": file_digest(run.mixture),
        "text_cache": _cache_digest(run.text_cache),
        "latent_cache": _cache_digest(run.latent_cache),
    }
    for name, folder, maker in (
        ("init_from", run.init_from, "the training stage before this one"),
        ("evaluator", run.evaluator, "evaluator"),
        ("codec", run.codec, "training_cache"),
    ):
        if folder is not None:
            digests[name] = _weights_digest(folder, maker)
    return digests


def run_identity(run: StageRun) -> dict[str, Any]:
    """Returns what the result of a run depends on, as JSON values, except for the number of steps."""
    config = identity_of(run.config)
    del config["steps"]
    return {
        "code_version": stage_spec(run.config.stage).version,
        "config": config,
        "editor": run.model_dump(mode="json")["editor"],
        "inputs": input_digests(run),
    }


def run_fingerprint(identity: Mapping[str, Any]) -> str:
    """Returns the name under which a run of this identity is archived."""
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]


def claim(run: StageRun, layout: Layout, *, fresh: bool = False) -> None:
    """Claims the folder of a run: continues its run, extends it, or starts a new one.

    A run whose `steps` grew is extended: its schedule stays as it was, and the added steps are recorded as
    another segment. The caller holds `locked(run.output)`.

    Args:
        run: the stage to train.
        layout: layout of the ranks of this run.
        fresh: moves a run that cannot be continued to `archive/<run_fingerprint>` instead of raising.

    Raises:
        IdentityChangedError: the folder holds a run of another identity, or one with more steps.
        LayoutChangedError: its unfinished checkpoint has another layout.
    """
    identity = run_identity(run)
    stored = _read(run.output)
    if stored is not None:
        try:
            _check(run, layout, identity, stored)
        except (IdentityChangedError, LayoutChangedError):
            if not fresh:
                raise
            archive(run.output, run_fingerprint(stored["identity"]))
            stored = None
    segments = stored["segments"] if stored is not None else []
    if not segments or run.config.steps > segments[-1]:
        if segments:
            _set_result_aside(run.output, segments[-1])
        segments = [*segments, run.config.steps]
    _write(run.output, identity, segments)


def finished_result(folder: Path) -> dict[str, Any] | None:
    """Returns the result of a finished run; None if the run, or a file of its result, is not complete.

    Compares the SHA-256 of every file, so that nothing is trained from or registered with damaged weights.
    """
    path = folder / RESULT
    try:
        result = json.loads(path.read_text())
        intact = all(file_digest(folder / name) == sha256 for name, sha256 in result[FILES].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return result if intact and result[FILES] else None


def segments_of(folder: Path) -> Sequence[int]:
    """Returns the total number of steps at the end of each segment; the first one fixes the schedule.

    Empty for a folder that was never claimed.
    """
    stored = _read(folder)
    return stored["segments"] if stored is not None else []


def archive(folder: Path, name: str) -> Path:
    """Moves everything in the folder of a run to `archive/<name>`; returns that folder.

    If a move is killed, the next call moves the rest.
    """
    target = folder / ARCHIVE / name
    number = 2
    while (target / IDENTITY).exists():
        target = folder / ARCHIVE / f"{name}-{number}"
        number += 1
    target.mkdir(parents=True, exist_ok=True)
    # identity.json is moved last: as long as it exists, the folder belongs to the old run.
    entries = sorted(folder.iterdir(), key=lambda path: (path.name == IDENTITY, path.name))
    for path in entries:
        if path.name not in (ARCHIVE, LOCK):
            path.rename(target / path.name)
    return target


def _check(run: StageRun, layout: Layout, identity: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    changes = _differences(stored["identity"], identity)
    steps = stored["segments"][-1]
    if run.config.steps < steps:
        changes["config.steps"] = (steps, run.config.steps)
    if changes:
        raise IdentityChangedError(run.config.stage, run.output, changes)
    finished = run.config.steps == steps and finished_result(run.output) is not None
    written = checkpoint_layout(run.output / CHECKPOINTS)
    if not finished and written is not None and written != layout:
        raise LayoutChangedError(run.config.stage, run.output, written, layout)


def checkpoint_layout(folder: Path) -> Layout | None:
    """Returns the layout of the newest checkpoint in a folder; None without checkpoints."""
    for manifest in sorted(folder.glob("step-*/manifest.json"), reverse=True):
        stored = json.loads(manifest.read_text()).get("layout")
        if stored is not None:
            return Layout(**stored)
    return None


def _set_result_aside(folder: Path, steps: int) -> None:
    """Moves the result of a finished segment to `segments/<steps>`, so that the extension writes its own."""
    target = folder / SEGMENTS / str(steps)
    target.mkdir(parents=True, exist_ok=True)
    for name in (FINAL, SEEN_TABLE, RESULT):  # the result last: without it the run counts as unfinished
        if (folder / name).exists():
            (folder / name).rename(target / name)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    before, after = dict(_flat(old)), dict(_flat(new))
    names = sorted(before.keys() | after.keys())
    pairs = {name: (before.get(name, MISSING), after.get(name, MISSING)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value


def _shown(value: Any) -> str:
    text = str(value)
    is_digest = len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)
    return f"{text[:SHOWN_DIGEST_DIGITS]}…" if is_digest else text


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / IDENTITY
    return json.loads(path.read_text()) if path.exists() else None


def _write(folder: Path, identity: Mapping[str, Any], segments: Sequence[int]) -> None:
    record = {"identity": dict(identity), "segments": list(segments)}
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    path = folder / IDENTITY
    if not path.exists() or path.read_text() != text:
        write_atomically(path, text.encode())


def _cache_digest(folder: Path) -> str:
    """Returns the digest of a cache's encoder, or of its index if the encoder is not recorded.

    The index lists the tensors of all stages, so it may change although no tensor of this stage does.
    """
    made_with = folder / MADE_WITH
    return file_digest(made_with if made_with.exists() else folder / INDEX_NAME)


def _weights_digest(folder: Path, maker: str) -> str:
    """Returns one digest over every weight shard and the config of a folder."""
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise MissingWeightsError(f"{folder} contains no safetensors file. Run {maker} first.")
    config = folder / "config.json"
    files = [*shards, config] if config.exists() else shards
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return total.hexdigest()
