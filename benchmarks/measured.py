"""Figures of an output that need no judge: whether it is there, and how near it is to a known truth."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.aggregate import RULES
from benchmarks.protocols.protocol import Measure
from benchmarks.scores import measured_rows
from benchmarks.suites.item import BenchItem, MissingPictureError, picture_of_file
from benchmarks.suites.outputs import Outputs
from models.pair_metrics import PSNR_CAP, psnr
from models.pixels import UnreadableImageError

PRESENT = Measure(
    "present",
    "Outputs that can be read, percent",
    worst=0.0,
    best=100.0,
    official=RULES["strict"],
    decimals=1,
)
PSNR = Measure("psnr", "PSNR, dB", worst=0.0, best=PSNR_CAP, official=RULES["strict"], decimals=1)
MEASURES = (PRESENT, PSNR)
WORKERS = 2

Meter = Callable[[BenchItem, np.ndarray], Mapping[str, float | None]]
"""Gets an item and its output (H, W, 3) uint8, and returns figures by measure; null is: does not apply."""


def measure_outputs(
    items: Sequence[BenchItem], outputs: Mapping[str, Outputs], meter: Meter, measures: Sequence[Measure]
) -> list[dict[str, object]]:
    """Returns rows of `benchmarks.scores.SCORES` for every model.

    Args:
        items: of the suite.
        outputs: by model.
        meter: looks at one output.
        measures: that the meter gives.
    """
    rows: list[dict[str, object]] = []
    for model, found in outputs.items():
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="measure") as pool:
            values = pool.map(lambda item, found=found: _metered(item, found, meter), items)
            by_id = {
                item.sample_id: value for item, value in zip(items, values, strict=True) if value is not None
            }
        rows += measured_rows(model, items, by_id, measures)
    return rows


def against_truth(item: BenchItem, output: np.ndarray) -> Mapping[str, float | None]:
    """Returns that the output is there, and its PSNR where a truth of the same size is known."""
    figures: dict[str, float | None] = {"present": 100.0, "psnr": None}
    if item.truth is not None:
        truth = item.truth.pixels()
        figures["psnr"] = psnr(output, truth) if truth.shape == output.shape else None
    return figures


def _metered(item: BenchItem, outputs: Outputs, meter: Meter) -> Mapping[str, float | None] | None:
    path = outputs.paths.get(item.sample_id)
    if path is None:
        return None
    try:
        return meter(item, picture_of_file(path).pixels())
    except (MissingPictureError, UnreadableImageError):
        return None
