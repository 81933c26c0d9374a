"""Figures of an output that need no judge: whether it is there, and how near it is to a known truth."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.aggregate import RULES
from benchmarks.scoring.table import Value, measured_rows
from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, picture_of_file
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.thumbnails import ThumbnailCache
from models.common.canonical import UnreadableImageError
from models.similarity.pair_metrics import PSNR_CAP, psnr

PRESENT = Metric(
    "present",
    "Outputs that can be read, percent",
    worst=0.0,
    best=100.0,
    official=RULES["strict"],
    decimals=1,
)
PSNR = Metric("psnr", "PSNR, dB", worst=0.0, best=PSNR_CAP, official=RULES["strict"], decimals=1)
METRICS = (PRESENT, PSNR)
WORKERS = 2

Meter = Callable[[BenchItem, np.ndarray | Reading], Mapping[str, Value]]
"""Takes an item and its output (H, W, 3) uint8, or the reason why it is missing; returns values by metric."""


def measure_outputs(
    items: Sequence[BenchItem],
    outputs: Mapping[str, Outputs],
    meter: Meter,
    metrics: Sequence[Metric],
    *,
    thumbnails: ThumbnailCache,
) -> list[dict[str, object]]:
    """Returns rows of `benchmarks.scoring.table.SCORES` for every model.

    Sources are looked at once: what was made of one that is missing or broken is no output of the sample.

    Args:
        items: of the suite.
        outputs: by model.
        meter: looks at one output.
        metrics: that the meter gives.
        thumbnails: of all files, which decode each of them once.
    """
    rows: list[dict[str, object]] = []
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="measure") as pool:
        lacking = list(pool.map(lambda item: lacking_source(item, thumbnails), items))
        for model, found in outputs.items():
            values = pool.map(
                lambda item, lack, found=found: meter(item, lack or output_pixels(item, found)),
                items,
                lacking,
            )
            by_id = {item.sample_id: value for item, value in zip(items, values, strict=True)}
            rows += measured_rows(model, items, by_id, metrics)
    return rows


def against_truth(item: BenchItem, output: np.ndarray | Reading) -> Mapping[str, Value]:
    """Returns that the output is there, and its PSNR where a truth is known."""
    if isinstance(output, Reading):
        return {"present": output, "psnr": None if item.truth is None else output}
    return {"present": 100.0, "psnr": None if item.truth is None else _nearness(item.truth, output)}


def output_pixels(item: BenchItem, outputs: Outputs) -> np.ndarray | Reading:
    """Returns the pixels (H, W, 3) uint8 of a model's output of an item, or why there are none."""
    path = outputs.paths.get(item.sample_id)
    if path is None:
        return Reading(State.MISSING_OUTPUT, note=outputs.problems.get(item.sample_id, ""))
    try:
        return picture_of_file(path).pixels()
    except (MissingPictureError, UnreadableImageError) as error:
        return Reading(State.MISSING_OUTPUT, note=why_unread(path.name, error))


def lacking_source(item: BenchItem, thumbnails: ThumbnailCache) -> Reading | None:
    """Returns which source of an item is missing or broken, None where all of them decode."""
    for picture in item.sources:
        try:
            thumbnails.add(picture.read())
        except (MissingPictureError, UnreadableImageError) as error:
            return Reading(State.MISSING_SOURCE, note=why_unread(picture.name, error))
    return None


def why_unread(name: str, error: Exception) -> str:
    """Returns which image could not be read, and why."""
    return str(error) if name in str(error) else f"{name}: {error}"


def _nearness(truth: Picture, output: np.ndarray) -> Value:
    try:
        right = truth.pixels()
    except (MissingPictureError, UnreadableImageError) as error:
        return Reading(State.MISSING_SOURCE, note=f"the known truth, {why_unread(truth.name, error)}")
    if right.shape == output.shape:
        return psnr(output, right)
    sizes = [f"{pixels.shape[1]} x {pixels.shape[0]}" for pixels in (output, right)]
    return Reading(State.UNMEASURED, note=f"the output is {sizes[0]}, the known truth {sizes[1]}")
