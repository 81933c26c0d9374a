"""The measure of mosaics: areas pixelated to hide their content (report 2.2.3)."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one

SCALES: Mapping[int, range] = {1: range(5, 25), 2: range(13, 25)}
"""Cell sides that are tested, in pixels of the image at full and at half size."""

WINDOW = 4
"""Side of a window in cells; smaller windows are regular by chance, larger ones miss small mosaics."""

MAX_STEP = 40.0
"""Levels at which steps are clipped, so that a single strong contour does not count as a grid."""

OFF_GRID_OFFSET = 1.0
"""Levels added to the steps off the grid. JPEG leaves steps of about this size inside a cell, so they are not
evidence."""

JPEG_BLOCK = 8
JPEG_OFF_GRID_OFFSET = 4.0
"""Levels added instead for a grid that coincides with JPEG blocks, whose means differ by 3.4 levels at
quality 30 with no steps inside."""


def measure_mosaic(image: np.ndarray) -> Mapping[str, float | int | None]:
    """Returns the regularity of the most regular grid in an (H, W, 3) uint8 image.

    In a mosaic the luma changes only on the lines of a grid, apart from small steps due to compression. The
    steps are therefore folded at each candidate period, in windows of 4x4 cells.

    - `grid`: ratio of steps on the grid lines to steps off them, geometric mean of both directions, in the
      best window. 99 % of 318 photographs have at most 2.2; mosaics at JPEG quality 85 have at least 2.7,
      also after scaling.
    - `cell`: cell side of that grid in pixels; null if the image is smaller than a window.
    """
    grid, cell = max(_grids(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)), default=(0.0, None))
    return {"grid": grid, "cell": cell}


def _grids(luma: np.ndarray) -> Iterator[tuple[float, int]]:
    """Yields the regularity of the best window of each grid, and its cell side in pixels."""
    for scale, sides in SCALES.items():
        size = luma.shape[1] // scale, luma.shape[0] // scale
        if min(size) < WINDOW * sides[0]:
            return
        scaled = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        across, down = _summed_steps(scaled), _summed_steps(cv2.transpose(scaled))
        for side in sides:
            if min(size) >= WINDOW * side:
                both = _regularity(across, side) * _regularity(down, side).T
                yield float(np.sqrt(both.max())), side * scale


def _summed_steps(luma: np.ndarray) -> np.ndarray:
    """Returns column sums of the horizontal steps above each pixel, in levels, (H + 1, W) float32."""
    height, width = luma.shape
    steps = np.zeros((height + 1, width), np.float32)
    steps[1:, 1:] = np.minimum(cv2.absdiff(luma[:, 1:], luma[:, :-1]), MAX_STEP)
    return np.cumsum(steps, axis=0)  # exact in float32: integers far below 2 ** 24


def _regularity(summed: np.ndarray, side: int) -> np.ndarray:
    """Returns for each window the ratio of steps on its best grid lines to steps off them."""
    rows, columns = (summed.shape[0] - 1) // side, summed.shape[1] // side
    at_borders = summed[: rows * side + 1 : side, : columns * side]
    by_cell = (np.diff(at_borders, axis=0) / side).reshape(rows, columns, side)
    # Mean step of each column of each cell, (side, rows, columns): reductions are fastest in this layout.
    cells = np.ascontiguousarray(by_cell.transpose(2, 0, 1))
    mean = _windows(cells)
    # The mean of cube roots is low unless nearly all cells have a step, whereas a contour gives a few.
    on_grid = _windows(np.cbrt(cells)) ** 3
    off_grid = (mean.sum(axis=0) - mean) / (side - 1) + OFF_GRID_OFFSET
    if side % JPEG_BLOCK == 0:
        off_grid[::JPEG_BLOCK] += JPEG_OFF_GRID_OFFSET - OFF_GRID_OFFSET
    return (on_grid / off_grid).max(axis=0)


def _windows(values: np.ndarray) -> np.ndarray:
    """Returns the means over windows of 4x4 cells, (side, rows - 3, columns - 3)."""
    high = values[:, :-3] + values[:, 1:-2] + values[:, 2:-1] + values[:, 3:]
    return (high[..., :-3] + high[..., 1:-2] + high[..., 2:-1] + high[..., 3:]) / WINDOW**2


MOSAIC = ImageMeasure(
    name="mosaic",
    version="2",
    long_side=1024,
    columns={"grid": pl.Float64(), "cell": pl.Int64()},
    run=one_by_one(measure_mosaic),
)
