"""Outputs against the known truth, and copying the source against the same truth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch

from benchmarks.aggregate import RULES
from benchmarks.protocols.protocol import Measure
from benchmarks.suites.item import BenchItem, known_truth
from models.pair_metrics import PSNR_CAP, psnr

CODEC_BATCH = 64

SCORES = {
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

MEASURES = (
    Measure("model_error", "Latent error", None, 0.0, RULES["strict"], decimals=4),
    Measure("psnr", "PSNR, dB", worst=0.0, best=PSNR_CAP, official=RULES["strict"], decimals=1),
    Measure("evaluator", "Evaluator, 0 to 1", worst=0.0, best=1.0, official=RULES["strict"], decimals=3),
)
"""What is averaged and shown of SCORES. An error has no worst value, so a missing sample stays missing."""

Evaluator = Callable[[Sequence[np.ndarray], Sequence[str], Sequence[np.ndarray]], Sequence[float]]
"""Scores (sources, instructions, outputs), a higher figure for a better edit."""


class Codec(Protocol):
    """What maps pictures to the latents in which errors are measured."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns latents of (B, 3, H, W) in [-1, 1]."""
        ...


def score_outputs(
    editor: str,
    items: Sequence[BenchItem],
    outputs: Mapping[str, np.ndarray],
    *,
    codec: Codec,
    evaluator: Evaluator | None,
) -> pl.DataFrame:
    """Returns one row of `SCORES` for each item; `evaluator` is null where there is none.

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
        schema=SCORES,
    )


@torch.no_grad()
def latent_errors(codec: Codec, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> list[float]:
    """Returns the mean squared difference of each pair's latents; pictures are (H, W, 3) uint8."""
    pairs = zip(_latents(codec, first), _latents(codec, second), strict=True)
    return [float((one.double() - other.double()).square().mean()) for one, other in pairs]


def kind_table(scores: pl.DataFrame) -> pl.DataFrame:
    """Returns means over the samples of a kind, one row an editor and kind, in the order of `scores`."""
    means = ("model_error", "copy_error", "psnr", "copy_psnr", "evaluator")
    return (
        scores.group_by("editor", "kind", "category", maintain_order=True)
        .agg(pl.len().alias("samples"), *(pl.col(name).mean() for name in means))
        .with_columns((pl.col("model_error") < pl.col("copy_error")).alias("beats_copying"))
    )


def editor_table(kinds: pl.DataFrame) -> pl.DataFrame:
    """Returns means over kinds, so that a kind counts once however many samples it has; one row an editor.

    `of_copying` is the mean error over the mean error of copying: 0.5 is half of it.
    """
    means = ("model_error", "copy_error", "psnr", "copy_psnr", "evaluator")
    return (
        kinds.group_by("editor", maintain_order=True)
        .agg(
            pl.len().alias("kinds"),
            pl.col("samples").sum(),
            *(pl.col(name).mean() for name in means),
            pl.col("beats_copying").mean().alias("share_beating_copying"),
        )
        .with_columns((pl.col("model_error") / pl.col("copy_error")).alias("of_copying"))
    )


def ranking(editors: pl.DataFrame) -> list[str]:
    """Returns the editors, lowest mean error over kinds first; of equal ones the earlier in `editors`.

    Errors are compared to nine decimals: what lies below is float noise, and must not choose a champion.
    """
    errors = {row["editor"]: round(row["model_error"], 9) for row in editors.iter_rows(named=True)}
    return sorted(errors, key=lambda name: errors[name])


def errors_by_kind(kinds: pl.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns kind to editor to its figures, for JSON."""
    nested: dict[str, dict[str, dict[str, Any]]] = {}
    for row in kinds.iter_rows(named=True):
        figures = {key: value for key, value in row.items() if key not in ("editor", "kind", "category")}
        nested.setdefault(row["kind"], {})[row["editor"]] = figures
    return nested


def _latents(codec: Codec, pictures: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
    for start in range(0, len(pictures), CODEC_BATCH):
        part = pictures[start : start + CODEC_BATCH]
        if len({picture.shape for picture in part}) > 1:
            yield from (codec.encode(_tensor([picture]))[0] for picture in part)
        else:
            yield from codec.encode(_tensor(part))


def _tensor(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
