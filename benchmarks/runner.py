"""Any editor over a suite: one PNG a sample under its official name, seeded, and nothing made twice."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, SuiteError
from benchmarks.suites.outputs import Outputs
from models.pixels import decode, encode_png, read_header
from models.progress import Progress

WHOLE = (0, 1)


class EditFailedError(RuntimeError):
    """An editor declined or could not make one output; the others are made all the same."""


class Editor(Protocol):
    """What can be benchmarked."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values that decide its outputs: where they differ, outputs are made again."""
        ...

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs (H, W, 3) uint8 of items whose pictures have equal shapes.

        Raises:
            EditFailedError: one of them could not be made.
        """
        ...


def run_editor(
    items: Sequence[BenchItem],
    editor: Editor,
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

    Args:
        items: from `checked_suite`.
        editor: makes the outputs.
        folder: of this editor alone. Outputs that it made with other settings are removed.
        batch: samples edited at once.
        progress: called with what is done.
        shard: (number, of how many): every how-manieth batch is made here, the others elsewhere.

    Raises:
        SuiteError: the folder holds files that no editor made.
    """
    _claim(folder, {**editor.settings, "batch": batch})
    number, shards = shard
    parts = [part for place, part in enumerate(_batches(items, batch)) if place % shards == number]
    total, done = sum(map(len, parts)), 0
    inputs = {item.sample_id: _input_digest(item) for item in items}
    for part in parts:
        progress(f"edit with {folder.name}", done, total)
        if not all(_is_made(folder, item, inputs) for item in part):
            _make(part, editor, folder, inputs)
        done += len(part)
    progress(f"edit with {folder.name}", done, total)
    return _collected(items, folder, inputs)


def output_path(folder: Path, item: BenchItem) -> Path:
    """Returns where the output of an item lies in the folder of an editor."""
    return folder / f"{item.output or item.sample_id}.png"


def read_output(path: Path) -> np.ndarray:
    """Returns the pixels (H, W, 3) uint8 of an output."""
    return decode(path.read_bytes())


def _make(part: Sequence[BenchItem], editor: Editor, folder: Path, inputs: Mapping[str, str]) -> None:
    try:
        outputs = editor.edit(part)
    except EditFailedError as error:
        if len(part) > 1:  # which one it was is found one by one
            for item in part:
                _make([item], editor, folder, inputs)
            return
        _write(_failure_path(folder, part[0]), str(error).encode("utf-8", "replace"))
        return
    for item, output in zip(part, outputs, strict=True):
        # Without its digest an output counts as unmade, so a kill in between leaves none under a wrong one.
        _input_path(folder, item).unlink(missing_ok=True)
        _write(output_path(folder, item), encode_png(output))
        _write(_input_path(folder, item), inputs[item.sample_id].encode())
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
            f"{folder} holds files that no editor made here. Move them away, or name another --out; finished "
            "outputs go to --outputs."
        )
    _write(record, text.encode())


def _batches(items: Sequence[BenchItem], batch: int) -> Iterator[Sequence[BenchItem]]:
    if batch == 1:
        yield from ([item] for item in items)
        return
    by_shape: dict[tuple[tuple[int, int], ...], list[BenchItem]] = {}
    for item in items:
        headers = [read_header(picture.read()) for picture in item.sources]
        by_shape.setdefault(tuple((header.height, header.width) for header in headers), []).append(item)
    for alike in by_shape.values():
        yield from (alike[start : start + batch] for start in range(0, len(alike), batch))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(data)
    unfinished.replace(path)
