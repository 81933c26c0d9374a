"""The evaluator's training as a step, with the figures that say whether it looks at both sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.lake.contact_sheet import contact_sheet
from assets.lake.lake import Lake
from assets.lake.paths import EVALUATOR
from assets.lake.schemas import SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from assets.measured.pairs import edits_of
from assets.measured.sentences import sentence_vectors
from assets.measured.thumbnail import Thumbnails
from assets.postfiltered.examples import evaluator_examples
from assets.postfiltered.training_set import RELATIONS, TRAINING_SET, training_set
from models.common.progress import Progress
from trainers.small.config import EvaluatorTrainingConfig

if TYPE_CHECKING:
    from models.evaluator.pair_evaluator import PairEvaluator

TRAINING_SET_PATH = "postfiltered/training_set.parquet"
PREVIEWED = 6


def train_pair_evaluator(
    lake: Lake, config: EvaluatorTrainingConfig, encoder_path: Path | None, progress: Progress
) -> StepOutput:
    """Trains the evaluator and its two shortcut probes; writes `models/evaluator` and its training set.

    The facts hold the AUC on held-out groups, `auc_instruction_only` and `auc_pictures_only` of the probes,
    and the AUC for each way in which an instruction was perturbed.

    Args:
        lake: holds samples, texts, and the image shards of all sources and targets with their thumbnails.
        config: the training's settings.
        encoder_path: where the text encoder lies, None to look in the usual places.
        progress: told of each batch and step.
    """
    samples, texts = lake.read_tables("samples", SAMPLES), lake.read_tables("texts", TEXTS)
    pairs = training_set(samples, texts, config.seed)
    lake.write_table(TRAINING_SET_PATH, pairs, TRAINING_SET)
    vectors = sentence_vectors(lake, pairs["text"].to_list(), encoder_path, progress)
    rows = pairs.join(
        edits_of(samples).select("sample_id", "source_id", "target_id"),
        on="sample_id",
        maintain_order="left",
    )
    thumbnails = Thumbnails(
        lake, lake.list("images", ".parquet"), set(rows["source_id"]) | set(rows["target_id"])
    )
    folder = lake.local_path(EVALUATOR)
    paths, figures = _train_and_probe(rows, thumbnails, vectors, config, folder, progress)
    counts = dict(pairs.group_by("split").len().sort("split").iter_rows())
    heldout = rows.filter(pl.col("split") == "heldout")
    files = (TRAINING_SET_PATH, *(f"{EVALUATOR}/{path.name}" for path in paths))
    return StepOutput(files, pairs.height, figures | {"pairs": counts}, _preview(heldout, thumbnails))


def _train_and_probe(
    rows: pl.DataFrame,
    thumbnails: Thumbnails,
    vectors: Mapping[str, np.ndarray],
    config: EvaluatorTrainingConfig,
    folder: Path,
    progress: Progress,
) -> tuple[list[Path], dict[str, Any]]:
    from models.evaluator.pair_evaluator import save_evaluator
    from trainers.small.evaluator import Blanked, evaluator_auc, train_evaluator
    from trainers.small.resumable import forget_checkpoint

    train = evaluator_examples(rows.filter(pl.col("split") == "train"), thumbnails, vectors)
    heldout = rows.filter(pl.col("split") == "heldout")

    def held_out_auc(model: "PairEvaluator", some: pl.DataFrame, blanked: Blanked) -> float | None:
        if some.is_empty():
            return None
        examples = evaluator_examples(some, thumbnails, vectors)
        return round(evaluator_auc(model, examples, blanked=blanked), 4)

    figures: dict[str, Any] = {}
    probes: tuple[tuple[Blanked, str], ...] = (
        ("pictures", "auc_instruction_only"),
        ("instruction", "auc_pictures_only"),
    )
    for blanked, name in probes:
        probe = train_evaluator(train, config, folder / f"probe-{blanked}", progress, blanked=blanked)
        figures[name] = held_out_auc(probe, heldout, blanked)
    model = train_evaluator(train, config, folder, progress)
    paths = save_evaluator(model, folder)
    for checkpoint in (folder, *(folder / f"probe-{blanked}" for blanked, _ in probes)):
        forget_checkpoint(checkpoint)
    for blanked, _ in probes:
        (folder / f"probe-{blanked}").rmdir()
    figures["auc"] = held_out_auc(model, heldout, "nothing")
    figures["auc_by_perturbation"] = {
        relation: held_out_auc(model, heldout.filter(pl.col("perturbation") == relation), "nothing")
        for relation in RELATIONS
    }
    return paths, figures


def _preview(rows: pl.DataFrame, thumbnails: Thumbnails) -> bytes | None:
    """Returns held-out pairs by the way in which their other instruction is wrong, the first in words."""
    sheet = []
    for relation in RELATIONS:
        shown = (
            rows.filter(pl.col("perturbation") == relation).unique("template", keep="first").sort("template")
        )
        images = [
            image for pair in shown.head(PREVIEWED).select("source_id", "target_id").rows() for image in pair
        ]
        if images:
            first = shown.row(0, named=True)
            label = f"{relation}: {first['text']} Not: {first['other_text']}"
            sheet.append((label, list(thumbnails.pictures[thumbnails.rows(images)])))
    return contact_sheet(sheet)
