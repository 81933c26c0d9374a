"""Mosaics: blocks of a picture pixelated to hide what they show (report 2.2.3)."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each

SCALES: Mapping[int, range] = {1: range(5, 25), 2: range(13, 25)}
"""Sides of the cells that are looked for, in pixels of the image at full and at half size."""

WINDOW = 4
"""Cells of the side of a window; smaller ones are regular by chance, larger ones miss small mosaics."""

MAX_STEP = 40.0
"""Levels: a stronger edge counts as this one, so that a single contour doesn't make a grid."""

GROUND = 1.0
"""Levels added to the steps off the grid. JPEG leaves about as many inside a cell, so a step of a level is no
evidence."""

JPEG_BLOCK = 8
JPEG_GROUND = 4.0
"""Levels added where a grid has the sides and the place of JPEG's own blocks: at quality 30 their means are
3.4 levels apart and nothing is left inside."""


def measure_mosaic(image: np.ndarray) -> Mapping[str, float | int | None]:
    """Returns how regular the most regular grid of an (H, W, 3) uint8 image is.

    In a mosaic all steps of luma between neighbouring pixels lie on the lines of a grid; compression leaves
    small ones between them. So the steps are folded at each period, in windows of 4 by 4 cells.

    - `grid`: steps on the lines over steps off them, geometric mean of both directions, in the best window.
      Of 318 photographs 99 % have up to 2.2; mosaics at JPEG quality 85 have 2.7 and more, also after
      scaling.
    - `cell`: pixels of that grid's cells; null where the image is smaller than a window.
    """
    grid, cell = max(_grids(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)), default=(0.0, None))
    return {"grid": grid, "cell": cell}


def _grids(luma: np.ndarray) -> Iterator[tuple[float, int]]:
    """Yields how regular the best window of each grid is, and the side of its cells in pixels."""
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
    """Returns the sums of all steps from left to right above each place, levels, (H + 1, W) float32."""
    height, width = luma.shape
    steps = np.zeros((height + 1, width), np.float32)
    steps[1:, 1:] = np.minimum(cv2.absdiff(luma[:, 1:], luma[:, :-1]), MAX_STEP)
    return np.cumsum(steps, axis=0)  # exact: whole numbers far below 2 ** 24


def _regularity(summed: np.ndarray, side: int) -> np.ndarray:
    """Returns, for each window of cells, the steps on its best grid lines over those off them."""
    rows, columns = (summed.shape[0] - 1) // side, summed.shape[1] // side
    at_borders = summed[: rows * side + 1 : side, : columns * side]
    by_cell = (np.diff(at_borders, axis=0) / side).reshape(rows, columns, side)
    # mean step along a cell's height at each of its columns, (side, rows, columns): reductions run fastest so
    cells = np.ascontiguousarray(by_cell.transpose(2, 0, 1))
    mean = _windows(cells)
    # The mean of cube roots is low unless nearly every cell has a step there; a lone contour has a few.
    on_grid = _windows(np.cbrt(cells)) ** 3
    off_grid = (mean.sum(axis=0) - mean) / (side - 1) + GROUND
    if side % JPEG_BLOCK == 0:
        off_grid[::JPEG_BLOCK] += JPEG_GROUND - GROUND
    return (on_grid / off_grid).max(axis=0)


def _windows(values: np.ndarray) -> np.ndarray:
    """Returns the means of 4 by 4 neighbouring cells, (side, rows - 3, columns - 3)."""
    high = values[:, :-3] + values[:, 1:-2] + values[:, 2:-1] + values[:, 3:]
    return (high[..., :-3] + high[..., 1:-2] + high[..., 2:-1] + high[..., 3:]) / WINDOW**2


MOSAIC = Measure(
    name="mosaic",
    version="2",
    long_side=1024,
    columns={"grid": pl.Float64(), "cell": pl.Int64()},
    run=each(measure_mosaic),
)
