"""Mixtures: the kept samples that a training stage draws, with their texts and weights (report Table 1)."""

from collections.abc import Mapping

import polars as pl

from assets.cached.config import MixturesConfig, StageMixture
from assets.lake.kept import read_kept_samples, read_kept_texts
from assets.lake.lake import Lake
from assets.lake.paths import mixture_path
from assets.lake.steps import StepOutput
from models.common.progress import Progress, tracked
from trainers.data.cache import MIXTURE

CAPTION_CLASSES: Mapping[str, str] = {
    "original": "original",
    "structured": "structured",
    "detailed": "instructive",
    "concise": "instructive",
    "user_like": "instructive",
}


class CutGroupError(ValueError):
    """A group has samples in both splits, which would make held-out figures meaningless."""


def build_mixtures(lake: Lake, config: MixturesConfig, progress: Progress) -> StepOutput:
    """Writes `mixtures/<stage>.parquet` with training and held-out rows for each stage of the profile.

    Raises:
        CutGroupError: a group is in both splits.
    """
    samples = read_kept_samples(lake)
    check_groups(samples)
    texts = read_kept_texts(lake).filter(pl.col("lang").is_in(config.languages))
    files, counts = [], {}
    for stage, shares in tracked(
        sorted(config.stages.items()), len(config.stages), "building mixtures", progress
    ):
        rows = sample_texts(samples, texts, side=shares.side, long_text_words=config.long_text_words)
        mixture = mix(rows, shares)
        files.append(mixture_path(stage))
        lake.write_table(mixture_path(stage), mixture, MIXTURE)
        counts[stage] = {"rows": len(mixture), "samples": mixture["sample_id"].n_unique()}
    without = samples.join(texts, on="sample_id", how="anti")
    facts = {"stages": counts, "samples": len(samples), "samples_without_text": len(without)}
    return StepOutput(tuple(files), sum(count["rows"] for count in counts.values()), facts)


def check_groups(samples: pl.DataFrame) -> None:
    """Checks that no group is in both splits.

    Raises:
        CutGroupError: a group is.
    """
    splits = samples.group_by("group_id").agg(pl.col("split").n_unique().alias("splits"))
    cut = splits.filter(pl.col("splits") > 1)["group_id"].sort()
    if len(cut):
        raise CutGroupError(
            f"{len(cut)} groups are in both splits; the first is {cut[0]}. Samples that share pixels must be "
            "in one split. Check the groups and splits of the corpus."
        )


def sample_texts(
    samples: pl.DataFrame, texts: pl.DataFrame, *, side: int, long_text_words: int
) -> pl.DataFrame:
    """Returns one row per (sample, text): MIXTURE without `weight`, with `origin` and `caption_class`."""
    references = pl.col("source_ids").list.len().cast(pl.String)
    words = pl.col("text").str.split(" ").list.len()
    shape = f"@{side}x{side}"
    length = pl.when(words > long_text_words).then(pl.lit("long")).otherwise(pl.lit("short"))
    joined = samples.join(texts.unique("text_id", keep="first"), on="sample_id", how="inner")
    # The last bits of sums of weights depend on the order of rows, and a join has no order.
    return joined.sort("sample_id", "text_id").select(
        "sample_id",
        "group_id",
        pl.col("split").cast(pl.String),
        pl.col("task").cast(pl.String),
        "category",
        "subcategory",
        template=pl.col("origin").struct.field("template"),
        text_kind=pl.col("kind").cast(pl.String),
        text_key="text_id",
        target_key=pl.col("target_id") + shape,
        source_keys=pl.col("source_ids").list.eval(pl.element() + shape),
        bucket=pl.format("{}|{}|{}|{}", "task", references, pl.lit(shape[1:]), length),
        origin=pl.when(pl.col("origin").struct.field("template").is_null())
        .then(pl.lit("collected"))
        .otherwise(pl.lit("synthesized")),
        caption_class=pl.col("kind").cast(pl.String).replace_strict(CAPTION_CLASSES),
    )


def mix(rows: pl.DataFrame, shares: StageMixture) -> pl.DataFrame:
    """Returns the MIXTURE of a stage: rows with positive weights, which sum to 1 in each split.

    Args:
        rows: from `sample_texts`.
        shares: shares of caption classes within a sample, and of tasks and origins among samples.
    """
    by_class = _share("caption_class", shares.captions.model_dump())
    cell_share = _share("task", shares.tasks.model_dump()) * _share("origin", shares.origins.model_dump())
    text_share = by_class / pl.len().over("sample_id", "caption_class")
    drawn = rows.with_columns(text=text_share, cell=cell_share).filter(
        (pl.col("text") > 0) & (pl.col("cell") > 0)
    )
    cell = ["split", "task", "origin"]
    within_sample = pl.col("text") / pl.col("text").sum().over("sample_id")
    within_cell = pl.col("cell") / pl.col("sample_id").n_unique().over(cell)
    weighted = drawn.with_columns(weight=within_sample * within_cell)
    total = pl.col("weight").sum().over("split")
    return (
        weighted.with_columns(weight=pl.col("weight") / total)
        .sort("sample_id", "text_key")
        .select(list(MIXTURE))
    )


def _share(column: str, shares: Mapping[str, float]) -> pl.Expr:
    return pl.col(column).replace_strict(shares, return_dtype=pl.Float64)
