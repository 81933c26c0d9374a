"""Mixtures: which kept samples a training stage draws, with which text, how often (report Table 1)."""

from collections.abc import Mapping

import polars as pl

from assets.cached.config import MixturesConfig, StageMixture
from assets.lake.lake import Lake
from assets.lake.paths import mixture_path
from assets.lake.schemas import SAMPLES, TEXTS, VERDICTS
from assets.lake.steps import StepOutput
from models.common.progress import Progress, tracked
from trainers.data.cache import MIXTURE

SAMPLE_FOLDER = "samples"
TEXT_FOLDER = "texts"
VERDICT_FOLDER = "verdicts"

CAPTION_CLASSES: Mapping[str, str] = {
    "original": "original",
    "structured": "structured",
    "detailed": "instructive",
    "concise": "instructive",
    "user_like": "instructive",
}


class CutGroupError(ValueError):
    """A group has samples on both sides of the split, so held-out figures would mean nothing."""


def build_mixtures(lake: Lake, config: MixturesConfig, progress: Progress) -> StepOutput:
    """Writes `mixtures/<stage>.parquet` for each stage of the profile, training and held-out rows alike.

    Raises:
        CutGroupError: a group is on both sides of the split.
    """
    samples = kept_samples(
        lake.read_tables(SAMPLE_FOLDER, SAMPLES), lake.read_tables(VERDICT_FOLDER, VERDICTS)
    )
    check_groups(samples)
    texts = lake.read_tables(TEXT_FOLDER, TEXTS).filter(pl.col("lang").is_in(config.languages))
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


def kept_samples(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Returns the samples, each once, that no verdict drops, nor any image of theirs."""
    dropped = verdicts.filter(~pl.col("kept")).select("id").unique()
    unique = samples.unique("sample_id", keep="first", maintain_order=True).sort("sample_id")
    uses = unique.select("sample_id", id=pl.concat_list("source_ids", "target_id", "sample_id")).explode("id")
    lost = uses.join(dropped, on="id", how="semi").select("sample_id").unique()
    return unique.join(lost, on="sample_id", how="anti", maintain_order="left")


def check_groups(samples: pl.DataFrame) -> None:
    """Checks that every group is wholly in training or wholly held out.

    Raises:
        CutGroupError: one is not.
    """
    splits = samples.group_by("group_id").agg(pl.col("split").n_unique().alias("splits"))
    cut = splits.filter(pl.col("splits") > 1)["group_id"].sort()
    if len(cut):
        raise CutGroupError(
            f"{len(cut)} groups are in both splits, {cut[0]} the first. Whatever shares pixels must share a "
            "split; look at how the corpus assigns groups."
        )


def sample_texts(
    samples: pl.DataFrame, texts: pl.DataFrame, *, side: int, long_text_words: int
) -> pl.DataFrame:
    """Returns one row a (sample, text): MIXTURE without `weight`, with `origin` and `caption_class`."""
    references = pl.col("source_ids").list.len().cast(pl.String)
    words = pl.col("text").str.split(" ").list.len()
    shape = f"@{side}x{side}"
    length = pl.when(words > long_text_words).then(pl.lit("long")).otherwise(pl.lit("short"))
    joined = samples.join(texts.unique("text_id", keep="first"), on="sample_id", how="inner")
    # Sums of weights follow the order of rows, to the last bit; a join has none.
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
    """Returns a stage's MIXTURE: rows that it draws at all, their weights 1 in sum within each split.

    Args:
        rows: from `sample_texts`.
        shares: of caption classes within a sample, and of tasks and origins among samples.
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
