"""Outputs against the known truth, and copying the source against the same truth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch

from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.aggregate import RULES
from benchmarks.scoring.measure_outputs import PSNR
from benchmarks.scoring.table import COPYING, measured_rows, score_table
from benchmarks.suites.item import BenchItem, known_truth
from models.common.tensors import to_model_range
from models.similarity.pair_metrics import psnr

CODEC_BATCH = 64

EDITOR_SCORES = {
    "editor": pl.String(),
    "sample_id": pl.String(),
    "kind": pl.String(),
    "category": pl.String(),
    "model_error": pl.Float64(),
    "copy_error": pl.Float64(),
    "psnr": pl.Float64(),
    "copy_psnr": pl.Float64(),
    "evaluator": pl.Float64(),
}
"""One row a sample and editor. Errors are mean squared differences of whitened latents, PSNR is in dB."""

ERROR = Metric("model_error", "Latent error", None, 0.0, RULES["strict"], decimals=4)
METRICS = (
    ERROR,
    PSNR,
    Metric("evaluator", "Evaluator, 0 to 1", worst=0.0, best=1.0, official=RULES["strict"], decimals=3),
)
"""Averaged and shown columns of EDITOR_SCORES. An error has no worst value: missing samples stay missing."""

COPIED = {"copy_error": ERROR, "copy_psnr": PSNR}
"""Columns of EDITOR_SCORES with the copy baseline, and the metric of each."""

Evaluator = Callable[[Sequence[np.ndarray], Sequence[str], Sequence[np.ndarray]], Sequence[float]]
"""Scores (sources, instructions, outputs), a higher figure for a better edit."""


class Codec(Protocol):
    """What maps images to the latents in which errors are measured."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns latents of (B, 3, H, W) in [-1, 1]."""
        ...


def score_against_truth(
    editor: str,
    items: Sequence[BenchItem],
    outputs: Mapping[str, np.ndarray],
    *,
    codec: Codec,
    evaluator: Evaluator | None,
) -> pl.DataFrame:
    """Returns one row of `EDITOR_SCORES` for each item; `evaluator` is null if there is none.

    Args:
        editor: name of what made the outputs.
        items: from `checked_suite`.
        outputs: pixels (H, W, 3) uint8 by sample id, one for every item.
        codec: of the model, so that an error is measured where the model was trained.
        evaluator: scores the agreement of source, instruction and output.

    Raises:
        SuiteError: an item has no truth of its source's size.
        ValueError: an output has another size than its truth.
    """
    made = [outputs[item.sample_id] for item in items]
    truths, sources = [known_truth(item) for item in items], [item.sources[0].pixels() for item in items]
    for item, output, truth in zip(items, made, truths, strict=True):
        if output.shape != truth.shape:
            raise ValueError(f"{item.sample_id}: the editor gave {output.shape}, expected {truth.shape}.")
    judged: Sequence[float | None] = [None] * len(items)
    if evaluator is not None:
        judged = evaluator(sources, [item.instruction for item in items], made)
    return pl.DataFrame(
        {
            "editor": [editor] * len(items),
            "sample_id": [item.sample_id for item in items],
            "kind": [item.kind for item in items],
            "category": [item.category for item in items],
            "model_error": latent_errors(codec, made, truths),
            "copy_error": latent_errors(codec, sources, truths),
            "psnr": [psnr(*pair) for pair in zip(made, truths, strict=True)],
            "copy_psnr": [psnr(*pair) for pair in zip(sources, truths, strict=True)],
            "evaluator": judged,
        },
        schema=EDITOR_SCORES,
    )


@torch.no_grad()
def latent_errors(codec: Codec, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> list[float]:
    """Returns the mean squared difference of each pair's latents; images are (H, W, 3) uint8."""
    pairs = zip(_latents(codec, first), _latents(codec, second), strict=True)
    return [float((one.double() - other.double()).square().mean()) for one, other in pairs]


def long_scores(items: Sequence[BenchItem], table: pl.DataFrame) -> pl.DataFrame:
    """Returns the demo's scores as rows of `benchmarks.scoring.table.SCORES`, as all reports use them."""
    rows: list[dict[str, Any]] = []
    for (editor,), own in table.group_by("editor", maintain_order=True):
        values = {row["sample_id"]: row for row in own.iter_rows(named=True)}
        rows += measured_rows(str(editor), items, values, METRICS)
    return score_table(rows)


def copying_scores(items: Sequence[BenchItem], table: pl.DataFrame) -> pl.DataFrame:
    """Returns the same table for what hands the source back, which is a model like any other: `COPYING`."""
    first = table.filter(pl.col("editor") == table["editor"][0])
    columns = {metric.name: column for column, metric in COPIED.items()}
    values = {
        row["sample_id"]: {name: row[column] for name, column in columns.items()}
        for row in first.iter_rows(named=True)
    }
    return score_table(measured_rows(COPYING, items, values, list(COPIED.values())))


def kind_figures(
    tasks: pl.DataFrame, copying: pl.DataFrame, editors: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns kind to editor to its figures, for JSON.

    Args:
        tasks: of the editors, from `benchmarks.scoring.summary.summarise`.
        copying: the same of `COPYING`.
        editors: in reading order.
    """
    found = {(row["model"], row["task"], row["measure"]): row for row in tasks.iter_rows(named=True)}
    copied = {(row["task"], row["measure"]): row["value"] for row in copying.iter_rows(named=True)}
    nested: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in tasks["task"].unique().sort():
        nested[kind] = {}
        for editor in editors:
            values = {one.name: found.get((editor, kind, one.name), {}).get("value") for one in METRICS}
            copies = {column: copied[kind, one.name] for column, one in COPIED.items()}
            nested[kind][editor] = {
                "samples": found[editor, kind, ERROR.name]["samples"],
                **values,
                **copies,
                "beats_copying": values[ERROR.name] < copies["copy_error"],
            }
    return nested


def editor_figures(
    figures: pl.DataFrame,
    copying: pl.DataFrame,
    kinds: Mapping[str, Mapping[str, Mapping[str, Any]]],
    editors: Sequence[str],
) -> list[dict[str, Any]]:
    """Returns the headline of each editor: a kind counts once however many samples it has.

    `of_copying` is the mean error over the mean error of copying: 0.5 is half of it.

    Args:
        figures: of the editors, from `benchmarks.scoring.summary.summarise`.
        copying: the same of `COPYING`.
        kinds: from `kind_figures`.
        editors: in reading order.
    """
    found = {(row["model"], row["measure"]): row for row in figures.iter_rows(named=True)}
    copied = {row["measure"]: row["value"] for row in copying.iter_rows(named=True)}
    rows = []
    for editor in editors:
        error, copy_error = found[editor, ERROR.name], copied[ERROR.name]
        won = sum(own[editor]["beats_copying"] for own in kinds.values())
        rows.append(
            {
                "editor": editor,
                "kinds": len(kinds),
                "samples": error["samples"],
                **{one.name: found.get((editor, one.name), {}).get("value") for one in METRICS},
                **{column: copied[one.name] for column, one in COPIED.items()},
                "share_beating_copying": won / len(kinds),
                "of_copying": error["value"] / copy_error if copy_error else None,
            }
        )
    return rows


def _latents(codec: Codec, pictures: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
    for start in range(0, len(pictures), CODEC_BATCH):
        part = pictures[start : start + CODEC_BATCH]
        if len({picture.shape for picture in part}) > 1:
            yield from (codec.encode(to_model_range(np.stack([picture])))[0] for picture in part)
        else:
            yield from codec.encode(to_model_range(np.stack(part)))
