"""Levels 2 and 3 of deduplication (report 2.2.1): edits that change nothing, too much, or the same again."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from assets.dedup.config import PairsConfig
from assets.lake.schemas import VERDICTS
from assets.measured.pairs import edits_of
from assets.measured.thumbnail import ThumbnailArray

STAGE = "deduped_pairs"


def edit_verdicts(
    samples: pl.DataFrame,
    texts: pl.DataFrame,
    measured: pl.DataFrame,
    *,
    kept_id_by_image: Mapping[str, str],
    thumbnails: ThumbnailArray,
    config: PairsConfig,
) -> pl.DataFrame:
    """Returns a VERDICTS row for each edit, by the rules identity, unrelated and near_duplicate_pair.

    Args:
        samples: SAMPLES; text-to-image samples get no row.
        texts: TEXTS; the `original` text identifies an edit that was not made by a template.
        measured: from `measure_edits`; a null value fails no rule.
        kept_id_by_image: the kept image for each image in the clusters; other images are kept themselves.
        thumbnails: thumbnails of all targets.
        config: thresholds and exemptions.
    """
    edits = edits_of(samples).join(measured, left_on="sample_id", right_on="id", how="left").sort("sample_id")
    identity = pl.col("largest_block_change") <= config.identity_max_change
    unrelated = (pl.col("similarity") < config.unrelated_max_similarity) & (
        pl.col("ssim") < config.unrelated_max_ssim
    )
    checked = edits.with_columns(
        identity=identity.fill_null(value=False),
        unrelated=unrelated.fill_null(value=False) & ~is_exempt(config.unrelated_exempt),
    )
    remaining = checked.filter(~pl.col("identity") & ~pl.col("unrelated"))
    near_duplicates = dict(
        _near_duplicates(
            _with_edit_key(remaining, texts), kept_id_by_image, thumbnails, config.near_duplicate_max_rmse
        )
    )
    distance = pl.col("sample_id").replace_strict(near_duplicates, default=None, return_dtype=pl.Float64)
    rules = (
        (pl.col("identity"), "identity", pl.col("largest_block_change"), config.identity_max_change),
        (pl.col("unrelated"), "unrelated", pl.col("similarity"), config.unrelated_max_similarity),
        (distance.is_not_null(), "near_duplicate_pair", distance, config.near_duplicate_max_rmse),
    )
    return checked.select(
        id="sample_id",
        stage=pl.lit(STAGE),
        kept=~pl.any_horizontal(fails for fails, _, _, _ in rules),
        rule=pl.coalesce(pl.when(fails).then(pl.lit(name)) for fails, name, _, _ in rules),
        value=pl.coalesce(pl.when(fails).then(value) for fails, _, value, _ in rules),
        threshold=pl.coalesce(pl.when(fails).then(pl.lit(limit)) for fails, _, _, limit in rules),
    ).select(pl.col(name).cast(dtype) for name, dtype in VERDICTS.items())


def is_exempt(names: Sequence[str]) -> pl.Expr:
    """Returns whether the category, subcategory or template of a sample, inverted or not, is in `names`."""
    template = pl.col("origin").struct.field("template")
    labels = [pl.col("category"), pl.col("subcategory"), template, template.str.split(":").list.first()]
    return pl.any_horizontal(label.is_in(list(names)).fill_null(value=False) for label in labels)


def _with_edit_key(edits: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    original = (
        texts.filter(pl.col("kind") == "original").sort("text_id").group_by("sample_id").agg(pl.first("text"))
    )
    template = pl.col("origin").struct.field("template")
    return edits.join(original, on="sample_id", how="left", maintain_order="left").with_columns(
        edit=pl.coalesce(template, pl.col("text"), pl.lit(""))
    )


def _near_duplicates(
    edits: pl.DataFrame, kept_id_by_image: Mapping[str, str], thumbnails: ThumbnailArray, max_rmse: float
) -> Iterator[tuple[str, float]]:
    """Yields (sample id, RMSE) of samples whose target repeats that of a kept one with the same sources."""
    kept: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for row in edits.sort("sample_id").iter_rows(named=True):
        sources = tuple(kept_id_by_image.get(source, source) for source in row["source_ids"])
        others = kept.setdefault(sources, [])
        distances = [
            _rmse(thumbnails, row["target_id"], target)
            for edit, target in others
            if target == row["target_id"] or edit == row["edit"]
        ]
        if distances and min(distances) <= max_rmse:
            yield row["sample_id"], round(min(distances), 6)
        else:
            others.append((row["edit"], row["target_id"]))


def _rmse(thumbnails: ThumbnailArray, first: str, second: str) -> float:
    if first == second:
        return 0.0
    left, right = thumbnails.images[thumbnails.rows([first, second])].astype(np.float32)
    return float(np.sqrt(np.mean((left - right) ** 2)))
