"""Any editor over a suite: one PNG a sample under its official name, seeded, and nothing made twice."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, SuiteError, read_limited
from benchmarks.suites.outputs import Outputs
from models.common.canonical import read_header
from models.common.files import write_atomically
from models.common.pixels import decode, encode_png
from models.common.progress import Progress

WHOLE = (0, 1)


class EditFailedError(RuntimeError):
    """An editor declined or could not make one output; the others are made all the same."""


class ImageEditor(Protocol):
    """What can be benchmarked."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values that decide its outputs: where they differ, outputs are made again."""
        ...

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs (H, W, 3) uint8 of items whose images have equal shapes.

        Raises:
            EditFailedError: one of them could not be made.
        """
        ...


def run_editor(
    items: Sequence[BenchItem],
    editor: ImageEditor,
    *,
    folder: Path,
    batch: int,
    progress: Progress,
    shard: tuple[int, int] = WHOLE,
) -> Outputs:
    """Returns the outputs that there are now, making those that are missing or of another input.

    Beside each output lies a digest of its instruction and sources: where they have changed, as for another
    language of the suite, it is made again.

    Batches are cut from the whole suite, never from what is missing, so a killed run continues with the same
    batches and ends with the same bytes. An output that an editor failed to make is a problem of that sample,
    and tried again by the next run.

    An item that comes after another is made from that one's output, by the shard that made it; where the
    former changes, so does the input of the latter, and it is made again.

    Args:
        items: from `checked_suite`.
        editor: makes the outputs.
        folder: of this editor alone. Outputs that it made with other settings are removed.
        batch: samples edited at once.
        progress: called with what is done.
        shard: (number, of how many): every how-manieth batch is made here, the others elsewhere.

    Raises:
        SuiteError: the folder holds files that no editor made, or an item comes after none of the others.
    """
    _claim(folder, {**editor.settings, "batch": batch})
    by_id = {item.sample_id: item for item in items}
    inputs: dict[str, str] = {}
    ours: set[str] = set()
    for turn, wanted in enumerate(_turns(items), start=1):
        told = [_as_told(item, folder, by_id, inputs) for item in wanted]
        inputs |= {item.sample_id: _input_digest(item) for item in told}
        parts = _parts(told, ours, batch, shard)
        what = f"edit with {folder.name}" if turn == 1 else f"edit with {folder.name}, turn {turn}"
        total, done = sum(map(len, parts)), 0
        for part in parts:
            progress(what, done, total)
            if not all(_is_made(folder, item, inputs) for item in part):
                _make(part, editor, folder, inputs)
            done += len(part)
            ours |= {item.sample_id for item in part}
        progress(what, done, total)
    return _collected(items, folder, inputs)


def run_editors(
    items: Sequence[BenchItem],
    editors: Mapping[str, ImageEditor],
    *,
    folder: Path,
    batch: int,
    progress: Progress,
) -> dict[str, Outputs]:
    """Returns the outputs of several editors, each of which made all of them.

    Args:
        items: from `checked_suite`.
        editors: name to editor; the outputs of each are in the subfolder with its name.
        folder: of all editors.
        batch: number of samples edited at once.
        progress: called with what is done.

    Raises:
        SuiteError: an editor could not make all outputs.
    """
    outputs = {}
    for name, editor in editors.items():
        made = run_editor(items, editor, folder=folder / name, batch=batch, progress=progress)
        if made.problems:
            sample_id, problem = next(iter(made.problems.items()))
            raise SuiteError(
                f"{name} made no output for {len(made.problems)} samples. The first, {sample_id}: {problem}"
            )
        outputs[name] = made
    return outputs


def output_path(folder: Path, item: BenchItem) -> Path:
    """Returns where the output of an item lies in the folder of an editor."""
    return folder / f"{item.output or item.sample_id}.png"


def read_output(path: Path) -> np.ndarray:
    """Returns the pixels (H, W, 3) uint8 of an output."""
    return decode(path.read_bytes())


def _turns(items: Sequence[BenchItem]) -> Iterator[Sequence[BenchItem]]:
    """Yields the items that come after no other, then those that come after these, and so on."""
    left, made = list(items), set[str]()
    while left:
        ready = [item for item in left if item.after is None or item.after in made]
        if not ready:
            raise SuiteError(
                f"{left[0].sample_id} comes after {left[0].after!r}, which is not in the suite or in a cycle."
            )
        yield ready
        made |= {item.sample_id for item in ready}
        left = [item for item in left if item.sample_id not in made]


def _as_told(
    item: BenchItem, folder: Path, by_id: Mapping[str, BenchItem], inputs: Mapping[str, str]
) -> BenchItem:
    """Returns what an editor gets of an item: of a later turn its words alone, and the output before it."""
    if item.after is None:
        return item
    before = by_id[item.after]

    def read() -> bytes:
        if not _is_made(folder, before, inputs):  # a file may be there, of another input
            raise MissingPictureError(f"{before.sample_id}, the turn before, has no output")
        return read_limited(output_path(folder, before))

    source = Picture(f"output of {before.sample_id}", read)
    return replace(item, instruction=item.turn or item.instruction, sources=(source,))


def _parts(
    told: Sequence[BenchItem], ours: Set[str], batch: int, shard: tuple[int, int]
) -> list[Sequence[BenchItem]]:
    """Returns the batches of this shard; a later turn belongs to the shard that made the turn before."""
    number, shards = shard
    first = [item for item in told if item.after is None]
    parts = [part for place, part in enumerate(_batches(first, batch)) if place % shards == number]
    # One at a time, since the turn before may have failed, and then there is no image to batch by.
    return [*parts, *([item] for item in told if item.after in ours)]


def _make(part: Sequence[BenchItem], editor: ImageEditor, folder: Path, inputs: Mapping[str, str]) -> None:
    try:
        outputs = editor.edit(part)
    except EditFailedError as error:
        if len(part) > 1:  # which one it was is found one by one
            for item in part:
                _make([item], editor, folder, inputs)
            return
        write_atomically(_failure_path(folder, part[0]), str(error).encode("utf-8", "replace"))
        return
    for item, output in zip(part, outputs, strict=True):
        # Without its digest an output counts as unmade, so a kill in between leaves none under a wrong one.
        _input_path(folder, item).unlink(missing_ok=True)
        write_atomically(output_path(folder, item), encode_png(output))
        write_atomically(_input_path(folder, item), inputs[item.sample_id].encode())
        _failure_path(folder, item).unlink(missing_ok=True)


def _collected(items: Sequence[BenchItem], folder: Path, inputs: Mapping[str, str]) -> Outputs:
    paths, problems = {}, {}
    for item in items:
        failure = _failure_path(folder, item)
        if _is_made(folder, item, inputs):
            paths[item.sample_id] = output_path(folder, item)
        elif failure.exists():
            problems[item.sample_id] = f"the editor failed: {failure.read_text(encoding='utf-8')}"
        else:
            problems[item.sample_id] = "not made yet; another shard makes it"
    return Outputs(paths, problems, [])


def _is_made(folder: Path, item: BenchItem, inputs: Mapping[str, str]) -> bool:
    record = _input_path(folder, item)
    if not (output_path(folder, item).exists() and record.exists()):
        return False
    return record.read_text(encoding="utf-8") == inputs[item.sample_id]


def _input_digest(item: BenchItem) -> str:
    """Returns a digest of what an editor gets of an item: id, which seeds noise, words, sources."""
    told = json.dumps([item.sample_id, item.instruction, [_source_digest(one) for one in item.sources]])
    return hashlib.sha256(told.encode()).hexdigest()


def _source_digest(picture: Picture) -> str | None:
    try:
        return hashlib.sha256(picture.read()).hexdigest()
    except MissingPictureError:
        return None


def _input_path(folder: Path, item: BenchItem) -> Path:
    return output_path(folder, item).with_suffix(".input.txt")


def _failure_path(folder: Path, item: BenchItem) -> Path:
    return output_path(folder, item).with_suffix(".failed.txt")


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    record = folder / "settings.json"
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    if record.exists():
        if record.read_text(encoding="utf-8") == text:
            return
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise SuiteError(
            f"{folder} contains files that no editor made here. Move them away, or choose another --out; use "
            "--outputs for finished outputs."
        )
    write_atomically(record, text.encode())


def _batches(items: Sequence[BenchItem], batch: int) -> Iterator[Sequence[BenchItem]]:
    if batch == 1:
        yield from ([item] for item in items)
        return
    by_shape: dict[tuple[tuple[int, int], ...], list[BenchItem]] = {}
    for item in items:
        headers = [read_header(picture.read()) for picture in item.sources]
        # Upright, because a batch is edited at one size.
        sizes = [
            (one.height, one.width) if one.orientation < 5 else (one.width, one.height) for one in headers
        ]
        by_shape.setdefault(tuple(sizes), []).append(item)
    for alike in by_shape.values():
        yield from (alike[start : start + batch] for start in range(0, len(alike), batch))
