"""Filtering as a step: from measured columns to one verdict an image, and what a change of it touches."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from assets.engine.measure import Measure, read_measures
from assets.filtered.config import FilteredConfig
from assets.filtered.decide import check_rules, compare_verdicts, decide, funnel_row
from assets.lake.contact_sheet import MAX_COLUMNS, contact_sheet
from assets.lake.images import read_image_table, read_images
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED, FILTERED_PAIRS
from assets.lake.schemas import SAMPLES, VERDICTS
from assets.lake.steps import StepOutput
from assets.measured.perceptual import DISTANCE, Pristine, distances, pristine_of
from models.common.pixels import decode

STAGE = "filtered"
PRISTINE = "filtered/pristine.json"
MAX_NAMED = 100
MADE = ("synthesized", "longtail")


def filter_images(
    lake: Lake, shards: Sequence[str], measures: Sequence[Measure], config: FilteredConfig
) -> StepOutput:
    """Writes `verdicts/filtered.parquet`, with the verdict of every ingested image, duplicate or not.

    Where a rule asks for the distance from natural images, they are those that all other rules keep; their
    statistics go to `filtered/pristine.json`, by which targets are judged too. The facts say which verdicts
    differ from those of the run before, and how many samples hang on them.

    Args:
        lake: holds the measures of the shards.
        shards: those of the ingested images.
        measures: that the rules may name.
        config: the rules.

    Raises:
        UnknownColumnError: a rule names a column that no measure has, or one that holds no number.
    """
    check_rules(config.rules, measures)
    before = lake.read_table(FILTERED, VERDICTS) if lake.exists(FILTERED) else None
    samples = lake.read_tables("samples/raw", SAMPLES)
    images = described_images(lake, shards, measures, samples)
    compared = any(rule.measure == DISTANCE for rule in config.rules.values())
    pristine = _fit_pristine(images, config) if compared else None
    if compared:
        lake.write_json(PRISTINE, None if pristine is None else pristine.to_json())
        images = distances(images, pristine)
    verdicts = decide(images, config.rules, STAGE)
    lake.write_table(FILTERED, verdicts, VERDICTS)
    duplicates = lake.read_table(DEDUPED, VERDICTS).filter(~pl.col("kept"))["id"].implode()
    facts = {
        **funnel_row(STAGE, verdicts.filter(~pl.col("id").is_in(duplicates))),
        "failed_measures": failed_measures(images, measures),
        "pristine_images": None if pristine is None else pristine.images,
        "changed": None if before is None else change(lake, before, verdicts),
    }
    files = (FILTERED, PRISTINE) if compared else (FILTERED,)
    return StepOutput(files, verdicts.height, facts, _preview(lake, shards, verdicts))


def filter_targets(
    lake: Lake, shards: Sequence[str], measures: Sequence[Measure], config: FilteredConfig
) -> StepOutput:
    """Writes `verdicts/filtered_pairs.parquet`: the same rules for targets that the production engine made.

    Args:
        lake: holds the samples, the measures of the shards, and what `filter_images` wrote.
        shards: those of the targets.
        measures: that the rules may name.
        config: the rules; `unless_category` exempts what an edit does on purpose.

    Raises:
        UnknownColumnError: a rule names a column that no measure has, or one that holds no number.
    """
    check_rules(config.rules, measures)
    made = pl.concat(lake.read_table(f"samples/{name}.parquet", SAMPLES) for name in MADE)
    edits = made.filter(pl.col("origin").struct.field("parents").list.len() == 0)
    images = described_images(lake, shards, measures, edits)
    if any(rule.measure == DISTANCE for rule in config.rules.values()):
        stored = lake.read_json(PRISTINE)
        images = distances(images, None if stored is None else Pristine.from_json(stored))
    verdicts = decide(images, config.rules, "filtered_pairs")
    lake.write_table(FILTERED_PAIRS, verdicts, VERDICTS)
    facts = funnel_row("filtered_pairs", verdicts)
    facts["failed_measures"] = failed_measures(images, measures)
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


def failed_measures(images: pl.DataFrame, measures: Sequence[Measure]) -> dict[str, int]:
    """Returns by measure how many images it failed on: their values are null, so no rule judged them."""
    counts = {measure.name: int(images[f"{measure.name}.error"].is_not_null().sum()) for measure in measures}
    return {name: count for name, count in counts.items() if count}


def change(lake: Lake, before: pl.DataFrame, after: pl.DataFrame) -> dict[str, Any]:
    """Returns how verdicts differ from those before, and how many samples hang on the images concerned.

    `images` names the first 100 of them, with the rule that decided and the one that does now.
    """
    rows = compare_verdicts(before, after)
    ids = pl.Series([row["id"] for row in rows if "kept" in (row["was"], row["is"])], dtype=pl.String)
    used = pl.concat_list("source_ids", "target_id")
    samples = lake.read_tables("samples", SAMPLES).select("sample_id", used=used).explode("used")
    concerned = samples.filter(pl.col("used").is_in(ids.implode()))
    return {
        "newly_kept": sum(row["is"] == "kept" for row in rows),
        "newly_dropped": sum(row["was"] == "kept" for row in rows),
        "other_rule": len(rows) - len(ids),
        "samples_that_use_them": concerned["sample_id"].n_unique(),
        "images": rows[:MAX_NAMED],
    }


def _fit_pristine(images: pl.DataFrame, config: FilteredConfig) -> Pristine | None:
    others = {name: rule for name, rule in config.rules.items() if rule.measure != DISTANCE}
    if not others:
        return pristine_of(images)
    kept = decide(images, others, STAGE).filter("kept")
    return pristine_of(images.join(kept, on="id", how="semi"))


def _preview(lake: Lake, shards: Sequence[str], verdicts: pl.DataFrame) -> bytes | None:
    """Returns what was kept, and under it what each rule dropped."""
    shard_of = dict(read_image_table(lake, shards).select("image_id", "shard").iter_rows())
    rows = []
    for rule in [None, *verdicts["rule"].drop_nulls().unique().sort()]:
        chosen = verdicts.filter(pl.col("rule").eq_missing(pl.lit(rule)))["id"].head(MAX_COLUMNS)
        files = read_images(lake, shard_of, chosen)
        rows.append((rule or "kept", [decode(files[image_id], 96) for image_id in chosen]))
    return contact_sheet(rows)
