"""Scores of all edits: how well each target follows the instructions that it carries (report 2.6)."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from assets.engine.measure import Row
from assets.engine.pair_measure import PairMeasure, measure_pairs, pair_shards
from assets.lake.images import read_image_table
from assets.lake.lake import Lake
from assets.lake.paths import EVALUATOR
from assets.lake.schemas import SAMPLES, TEXTS
from assets.measured.pairs import edits_of
from assets.measured.sentences import sentence_vectors
from assets.measured.thumbnail import Thumbnails
from assets.postfiltered.training_set import INSTRUCTIVE
from models.common.progress import Progress

COLUMNS: Mapping[str, pl.DataType] = {"alignment": pl.Float64()}


def score_edits(lake: Lake, encoder_path: Path | None, progress: Progress) -> pl.DataFrame:
    """Returns `id`, `alignment` and `error` of each edit that has English instructions.

    The alignment is the mean evaluator score over the sample's instructions. It is kept as the measure
    `evaluator`, whose version is the digest of the weights.

    Args:
        lake: holds samples, texts, the trained evaluator, the image shards and their thumbnails.
        encoder_path: where the text encoder lies, None to look in the usual places.
        progress: told of each shard of targets.
    """
    from models.descriptors.copy_descriptor import weights_digest

    samples, texts = lake.read_tables("samples", SAMPLES), lake.read_tables("texts", TEXTS)
    instructions = texts.filter((pl.col("lang") == "en") & pl.col("kind").is_in(INSTRUCTIVE)).sort("text_id")
    edits = edits_of(samples).join(
        instructions.group_by("sample_id", maintain_order=True).agg("text"), on="sample_id"
    )
    vectors = sentence_vectors(lake, edits.explode("text")["text"].to_list(), encoder_path, progress)
    image_shards = lake.list("images", ".parquet")
    stored = read_image_table(lake, image_shards).unique("image_id", keep="first", maintain_order=True)
    folder = lake.local_path(EVALUATOR)
    run = partial(_score, lake, image_shards, vectors, folder)
    measure = PairMeasure("evaluator", weights_digest(folder), COLUMNS, run)
    shards = pair_shards(
        edits.select("sample_id", "source_id", "target_id", "text"),
        dict(stored.select("image_id", "shard").iter_rows()),
    )
    return measure_pairs(lake, measure, shards, workers=1, progress=progress)


def _score(
    lake: Lake,
    image_shards: Sequence[str],
    vectors: Mapping[str, np.ndarray],
    folder: Path,
    edits: pl.DataFrame,
) -> list[Row]:
    from models.evaluator.pair_evaluator import load_evaluator
    from trainers.small.evaluator import score_pairs

    thumbnails = Thumbnails(lake, image_shards, [*edits["source_id"], *edits["target_id"]])
    said = edits.with_row_index("edit").explode("text")
    scores = score_pairs(
        load_evaluator(folder),
        thumbnails.pictures,
        source=thumbnails.rows(said["source_id"]),
        target=thumbnails.rows(said["target_id"]),
        instructions=np.stack([vectors[text] for text in said["text"]]),
    )
    means = (
        said.with_columns(score=pl.Series(scores, dtype=pl.Float64)).group_by("edit").agg(pl.mean("score"))
    )
    return [{"alignment": round(value, 6)} for value in means.sort("edit")["score"]]
