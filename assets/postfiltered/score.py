"""Alignment scores: how well each target follows the instructions of its sample (report 2.6)."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from assets.engine.measure import Row
from assets.engine.pair_measure import PairMeasure, measure_pairs, pair_shards
from assets.lake.kept import PAIR_IMAGES_PATH, image_shards, read_pairs
from assets.lake.lake import Lake
from assets.lake.paths import EVALUATOR
from assets.measured.pairs import edits_of
from assets.measured.sentences import sentence_vectors
from assets.measured.thumbnail import ThumbnailArray
from assets.postfiltered.training_set import english_instructions
from models.common.progress import Progress

COLUMNS: Mapping[str, pl.DataType] = {"alignment": pl.Float64()}


def score_edits(lake: Lake, encoder_path: Path | None, progress: Progress) -> pl.DataFrame:
    """Returns `id`, `alignment` and `error` of each edit with English instructions.

    The alignment is the mean evaluator score over the instructions of the sample. It is stored as the measure
    `evaluator`, whose version is the digest of the weights.

    Args:
        lake: holds samples, texts, the trained evaluator, the image shards and their thumbnails.
        encoder_path: folder of the text encoder; None searches the default places.
        progress: called for each shard of targets.
    """
    from models.descriptors.copy_descriptor import weights_digest

    samples, texts = read_pairs(lake)
    instructions = english_instructions(samples, texts).sort("text_id")
    edits = edits_of(samples).join(
        instructions.group_by("sample_id", maintain_order=True).agg("text"), on="sample_id"
    )
    vectors = sentence_vectors(lake, edits.explode("text")["text"].to_list(), encoder_path, progress)
    shard_of = image_shards(lake, PAIR_IMAGES_PATH)
    folder = lake.local_path(EVALUATOR)
    run = partial(_score, lake, shard_of, vectors, folder)
    measure = PairMeasure("evaluator", weights_digest(folder), COLUMNS, run)
    shards = pair_shards(edits.select("sample_id", "source_id", "target_id", "text"), shard_of)
    return measure_pairs(lake, measure, shards, workers=1, progress=progress)


def _score(
    lake: Lake,
    shard_of: Mapping[str, str],
    vectors: Mapping[str, np.ndarray],
    folder: Path,
    edits: pl.DataFrame,
) -> list[Row]:
    from models.evaluator.pair_evaluator import load_evaluator
    from trainers.small.evaluator import score_pairs

    thumbnails = ThumbnailArray(lake, shard_of, [*edits["source_id"], *edits["target_id"]])
    rows = edits.with_row_index("edit").explode("text")
    scores = score_pairs(
        load_evaluator(folder),
        thumbnails.images,
        source=thumbnails.rows(rows["source_id"]),
        target=thumbnails.rows(rows["target_id"]),
        instructions=np.stack([vectors[text] for text in rows["text"]]),
    )
    means = (
        rows.with_columns(score=pl.Series(scores, dtype=pl.Float64)).group_by("edit").agg(pl.mean("score"))
    )
    return [{"alignment": round(value, 6)} for value in means.sort("edit")["score"]]
