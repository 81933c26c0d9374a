"""Mosaics: blocks of a picture pixelated to hide what they show (report 2.2.3)."""

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Measure, each

CELL_SIDES = range(5, 25)
"""Pixels of the cells that are looked for."""

WINDOW = 4
"""Cells of the side of a window; smaller ones are regular by chance, larger ones miss small mosaics."""

MAX_STEP = 40.0
"""Levels: a stronger edge counts as this one, so that a single contour doesn't make a grid."""

GROUND = 1.0
"""Levels added to the steps off the grid. JPEG leaves about as many inside a cell, so a step of a level is no
evidence."""


def measure_mosaic(image: np.ndarray) -> Mapping[str, float | int | None]:
    """Returns how regular the most regular grid of an (H, W, 3) uint8 image is.

    In a mosaic all steps between neighbouring pixels lie on the lines of a grid; compression leaves small
    ones between them. So the steps are folded at each period, in windows of 4 by 4 cells.

    - `grid`: steps on the lines over steps off them, geometric mean of both directions, in the best window;
      1 to 2 in photographs.
    - `cell`: pixels of that grid's cells; null where the image is smaller than a window.
    """
    across = _steps(image)
    down = _steps(cv2.transpose(image))
    grid, cell = 0.0, None
    for side in CELL_SIDES:
        if min(image.shape[:2]) < WINDOW * side:
            break
        ratio = float(np.sqrt(_regularity(across, side) * _regularity(down, side).T).max())
        if ratio > grid:
            grid, cell = ratio, side
    return {"grid": grid, "cell": cell}


def _steps(image: np.ndarray) -> np.ndarray:
    """Returns the step from each pixel's left neighbour, levels of the channel that changes most, (H, W)."""
    steps = np.zeros(image.shape[:2], np.float32)
    if image.shape[1] > 1:
        steps[:, 1:] = np.max(cv2.split(cv2.absdiff(image[:, 1:], image[:, :-1])), axis=0)
    return np.minimum(steps, MAX_STEP)


def _regularity(steps: np.ndarray, side: int) -> np.ndarray:
    """Returns, for each window of cells, the steps on its best grid lines over those off them."""
    rows, columns = steps.shape[0] // side, steps.shape[1] // side
    cells = steps[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=1)
    lines = _moving_mean(cells, axis=0)  # mean step along each column of a window, (windows, columns, side)
    mean = _moving_mean(lines, axis=1)
    # The mean of roots is low unless every line of the grid has its step; a lone contour has one.
    on_grid = _moving_mean(np.sqrt(lines), axis=1) ** 2
    best = on_grid.argmax(axis=2, keepdims=True)
    off_grid = (mean.sum(axis=2) - np.take_along_axis(mean, best, 2)[..., 0]) / (side - 1)
    return np.take_along_axis(on_grid, best, 2)[..., 0] / (off_grid + GROUND)


def _moving_mean(values: np.ndarray, axis: int) -> np.ndarray:
    length = values.shape[axis] - WINDOW + 1
    return np.mean([values.take(range(start, start + length), axis) for start in range(WINDOW)], axis=0)


MOSAIC = Measure(
    name="mosaic",
    version="1",
    long_side=1024,
    columns={"grid": pl.Float64(), "cell": pl.Int64()},
    run=each(measure_mosaic),
)
