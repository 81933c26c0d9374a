"""The training step of the evaluator, with probes that show whether it uses images and instruction."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.lake.contact_sheet import contact_sheet
from assets.lake.kept import PAIR_IMAGES_PATH, image_shards, read_pairs
from assets.lake.lake import Lake
from assets.lake.paths import EVALUATOR
from assets.lake.steps import StepOutput
from assets.measured.pairs import edits_of
from assets.measured.sentences import sentence_vectors
from assets.measured.thumbnail import ThumbnailArray
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

    The facts contain the AUC on held-out groups, `auc_instruction_only` and `auc_pictures_only` of the
    probes, and the AUC for each kind of perturbed instruction.

    Args:
        lake: holds samples, texts, and the image shards of all sources and targets with their thumbnails.
        config: settings of the training.
        encoder_path: folder of the text encoder; None searches the default places.
        progress: called after each batch and step.
    """
    samples, texts = read_pairs(lake)
    pairs = training_set(samples, texts, config.seed)
    lake.write_table(TRAINING_SET_PATH, pairs, TRAINING_SET)
    vectors = sentence_vectors(lake, pairs["text"].to_list(), encoder_path, progress)
    rows = pairs.join(
        edits_of(samples).select("sample_id", "source_id", "target_id"),
        on="sample_id",
        maintain_order="left",
    )
    thumbnails = ThumbnailArray(
        lake, image_shards(lake, PAIR_IMAGES_PATH), set(rows["source_id"]) | set(rows["target_id"])
    )
    folder = lake.local_path(EVALUATOR)
    paths, figures = _train_and_probe(rows, thumbnails, vectors, config, folder, progress)
    counts = dict(pairs.group_by("split").len().sort("split").iter_rows())
    heldout = rows.filter(pl.col("split") == "heldout")
    files = (TRAINING_SET_PATH, *(f"{EVALUATOR}/{path.name}" for path in paths))
    return StepOutput(files, pairs.height, figures | {"pairs": counts}, _preview(heldout, thumbnails))


def _train_and_probe(
    rows: pl.DataFrame,
    thumbnails: ThumbnailArray,
    vectors: Mapping[str, np.ndarray],
    config: EvaluatorTrainingConfig,
    folder: Path,
    progress: Progress,
) -> tuple[list[Path], dict[str, Any]]:
    from models.evaluator.pair_evaluator import save_evaluator
    from trainers.small.evaluator import MaskedInput, evaluator_auc, train_evaluator
    from trainers.small.resumable import forget_checkpoint

    train = evaluator_examples(rows.filter(pl.col("split") == "train"), thumbnails, vectors)
    heldout = rows.filter(pl.col("split") == "heldout")

    def held_out_auc(model: "PairEvaluator", part: pl.DataFrame, masked_input: MaskedInput) -> float | None:
        if part.is_empty():
            return None
        examples = evaluator_examples(part, thumbnails, vectors)
        return round(evaluator_auc(model, examples, masked_input=masked_input), 4)

    figures: dict[str, Any] = {}
    probes: tuple[tuple[MaskedInput, str], ...] = (
        ("pictures", "auc_instruction_only"),
        ("instruction", "auc_pictures_only"),
    )
    for masked_input, name in probes:
        probe = train_evaluator(
            train, config, folder / f"probe-{masked_input}", progress, masked_input=masked_input
        )
        figures[name] = held_out_auc(probe, heldout, masked_input)
    model = train_evaluator(train, config, folder, progress)
    paths = save_evaluator(model, folder)
    for checkpoint in (folder, *(folder / f"probe-{masked_input}" for masked_input, _ in probes)):
        forget_checkpoint(checkpoint)
    for masked_input, _ in probes:
        probed = folder / f"probe-{masked_input}"
        if probed.is_dir():  # a training shorter than the interval of checkpoints makes none
            probed.rmdir()
    figures["auc"] = held_out_auc(model, heldout, "nothing")
    figures["auc_by_perturbation"] = {
        relation: held_out_auc(model, heldout.filter(pl.col("perturbation") == relation), "nothing")
        for relation in RELATIONS
    }
    return paths, figures


def _preview(rows: pl.DataFrame, thumbnails: ThumbnailArray) -> bytes | None:
    """Returns a contact sheet of held-out pairs by kind of perturbation, labelled with an example."""
    sheet = []
    for relation in RELATIONS:
        pairs = (
            rows.filter(pl.col("perturbation") == relation).unique("template", keep="first").sort("template")
        )
        images = [
            image for pair in pairs.head(PREVIEWED).select("source_id", "target_id").rows() for image in pair
        ]
        if images:
            first = pairs.row(0, named=True)
            label = f"{relation}: {first['text']} Not: {first['other_text']}"
            sheet.append((label, list(thumbnails.images[thumbnails.rows(images)])))
    return contact_sheet(sheet)
