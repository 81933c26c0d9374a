"""Filtering as a step: from measured columns to one verdict an image, and what a change of it touches."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from assets.engine.measure import Measure, read_measures
from assets.filtered.config import FilteredConfig
from assets.filtered.decide import check_rules, compare_verdicts, decide, funnel_row
from assets.filtered.kept import DEDUPED, FILTERED, FILTERED_PAIRS
from assets.lake.images import read_image_table, read_images
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, VERDICTS
from assets.lake.steps import StepOutput
from assets.reports.contact_sheet import MAX_COLUMNS, contact_sheet
from models.pixels import decode

STAGE = "filtered"
MADE = ("synthesized", "longtail")


def filter_images(
    lake: Lake, shards: Sequence[str], measures: Sequence[Measure], config: FilteredConfig
) -> StepOutput:
    """Writes `verdicts/filtered.parquet`, with the verdict of every ingested image, duplicate or not.

    The facts say which verdicts differ from those of the run before, and how many samples hang on them.

    Args:
        lake: holds the measures of the shards.
        shards: those of the ingested images.
        measures: that the rules may name.
        config: the rules.

    Raises:
        UnknownColumnError: a rule names a column that no measure has.
    """
    check_rules(config.rules, measures)
    before = lake.read_table(FILTERED, VERDICTS) if lake.exists(FILTERED) else None
    samples = lake.read_tables("samples/raw", SAMPLES)
    verdicts = decide(described_images(lake, shards, measures, samples), config.rules, STAGE)
    lake.write_table(FILTERED, verdicts, VERDICTS)
    duplicates = lake.read_table(DEDUPED, VERDICTS).filter(~pl.col("kept"))["id"].implode()
    row = funnel_row(STAGE, verdicts.filter(~pl.col("id").is_in(duplicates)))
    facts = {**row, "changed": None if before is None else change(lake, before, verdicts)}
    return StepOutput((FILTERED,), verdicts.height, facts, _preview(lake, shards, verdicts))


def filter_targets(
    lake: Lake, shards: Sequence[str], measures: Sequence[Measure], config: FilteredConfig
) -> StepOutput:
    """Writes `verdicts/filtered_pairs.parquet`: the same rules for targets that the production engine made.

    Args:
        lake: holds the samples and the measures of the shards.
        shards: those of the targets.
        measures: that the rules may name.
        config: the rules; `unless_category` exempts what an edit does on purpose.
    """
    made = pl.concat(lake.read_table(f"samples/{name}.parquet", SAMPLES) for name in MADE)
    edits = made.filter(pl.col("origin").struct.field("parents").list.len() == 0)
    verdicts = decide(described_images(lake, shards, measures, edits), config.rules, "filtered_pairs")
    lake.write_table(FILTERED_PAIRS, verdicts, VERDICTS)
    facts = funnel_row("filtered_pairs", verdicts)
    return StepOutput((FILTERED_PAIRS,), verdicts.height, facts, _preview(lake, shards, verdicts))


def described_images(
    lake: Lake, shards: Sequence[str], measures: Sequence[Measure], samples: pl.DataFrame
) -> pl.DataFrame:
    """Returns `id`, the measured columns, and `corpus`, `category`, `subcategory` of every image.

    Args:
        lake: holds the measures.
        shards: whose images.
        measures: which columns.
        samples: SAMPLES; the categories of an image are those of the sample whose target it is.
    """
    measured = read_measures(lake, measures, shards)
    images = read_image_table(lake, shards).unique("image_id", keep="first", maintain_order=True)
    first = samples.sort("sample_id").unique("target_id", keep="first", maintain_order=True)
    categories = first.select("target_id", "category", "subcategory")
    return (
        images.select(id="image_id", corpus="corpus")
        .join(measured, on="id", how="left")
        .join(categories, left_on="id", right_on="target_id", how="left")
    )


def change(lake: Lake, before: pl.DataFrame, after: pl.DataFrame) -> dict[str, Any]:
    """Returns how verdicts differ from those before, and how many samples hang on the images concerned."""
    rows = compare_verdicts(before, after)
    ids = [row["id"] for row in rows if "kept" in (row["was"], row["is"])]
    samples = lake.read_tables("samples", SAMPLES)
    uses = samples.filter(
        pl.col("target_id").is_in(ids) | pl.col("source_ids").list.eval(pl.element().is_in(ids)).list.any()
    )
    return {
        "newly_kept": sum(row["is"] == "kept" for row in rows),
        "newly_dropped": sum(row["was"] == "kept" for row in rows),
        "other_rule": len(rows) - len(ids),
        "samples_that_use_them": uses.height,
        "images": rows,
    }


def _preview(lake: Lake, shards: Sequence[str], verdicts: pl.DataFrame) -> bytes | None:
    """Returns what was kept, and under it what each rule dropped."""
    shard_of = dict(read_image_table(lake, shards).select("image_id", "shard").iter_rows())
    rows = []
    for rule in [None, *verdicts["rule"].drop_nulls().unique().sort()]:
        chosen = verdicts.filter(pl.col("rule").eq_missing(pl.lit(rule)))["id"].head(MAX_COLUMNS)
        files = read_images(lake, shard_of, chosen)
        rows.append((rule or "kept", [decode(files[image_id], 96) for image_id in chosen]))
    return contact_sheet(rows)
