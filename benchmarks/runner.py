"""Any editor over a suite: one PNG a sample, seeded by the sample, and nothing made twice."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging
from PIL import Image

from benchmarks.suites.item import BenchItem
from models.pixels import encode_png
from models.seeding import torch_generator

Progress = Callable[[str, int, int], None]


class Editor(Protocol):
    """What can be benchmarked."""

    @property
    def settings(self) -> dict[str, Any]:
        """JSON values that decide its outputs: where they differ, outputs are made again."""
        ...

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs (H, W, 3) uint8 of items of equal shapes, each of the size of its truth."""
        ...


class PipelineEditor:
    """A diffusers folder with our pipeline, or one that is called in the same way."""

    def __init__(self, folder: Path, *, identity: str, seed: int, steps: int) -> None:
        self.settings = {"model": identity, "seed": seed, "steps": steps}
        self._folder = folder

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs of one batch; a sample's noise depends on its id and the seed alone."""
        height, width = items[0].truth.shape[:2]
        result = self._pipeline(
            [[Image.fromarray(source) for source in item.sources] for item in items],
            [item.instruction for item in items],
            num_inference_steps=self.settings["steps"],
            generator=[torch_generator(self.settings["seed"], "noise", item.sample_id) for item in items],
            height=height,
            width=width,
        )
        return [np.asarray(image) for image in result.images]

    @cached_property
    def _pipeline(self) -> Any:
        logging.disable_progress_bar()  # the run reports its own progress
        pipeline: Any = DiffusionPipeline.from_pretrained(self._folder, trust_remote_code=True)
        return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def run_editor(
    items: Sequence[BenchItem],
    editor: Editor,
    *,
    folder: Path,
    batch: int,
    progress: Progress,
) -> dict[str, Path]:
    """Returns the output file of each sample, making only those that are missing.

    Batches are cut from the whole suite, never from what is missing, so a killed run continues with the same
    batches and ends with the same bytes.

    Args:
        items: from `checked_suite`.
        editor: makes the outputs.
        folder: of this editor alone. Outputs made with other settings are removed.
        batch: samples edited at once.
        progress: called with what is done.
    """
    _claim(folder, {**editor.settings, "batch": batch})
    paths = {item.sample_id: folder / f"{item.sample_id}.png" for item in items}
    done = 0
    for part in _batches(items, batch):
        progress(f"edit with {folder.name}", done, len(items))
        if not all(paths[item.sample_id].exists() for item in part):
            outputs = editor.edit(part)
            for item, output in zip(part, outputs, strict=True):
                _write(paths[item.sample_id], item, output)
        done += len(part)
    progress(f"edit with {folder.name}", done, len(items))
    return paths


def read_output(path: Path) -> np.ndarray:
    """Returns the pixels (H, W, 3) uint8 of an output."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    record = folder / "settings.json"
    if record.exists() and json.loads(record.read_text(encoding="utf-8")) == settings:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _batches(items: Sequence[BenchItem], batch: int) -> Iterator[list[BenchItem]]:
    by_shape: dict[tuple[tuple[int, ...], ...], list[BenchItem]] = {}
    for item in items:
        shapes = tuple(pixels.shape for pixels in (item.truth, *item.sources))
        by_shape.setdefault(shapes, []).append(item)
    for alike in by_shape.values():
        yield from (alike[start : start + batch] for start in range(0, len(alike), batch))


def _write(path: Path, item: BenchItem, output: np.ndarray) -> None:
    if output.shape != item.truth.shape:
        raise ValueError(f"{item.sample_id}: the editor gave {output.shape}, expected {item.truth.shape}.")
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(encode_png(output))
    unfinished.replace(path)
