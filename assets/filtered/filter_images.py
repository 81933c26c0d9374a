"""The filter steps: from measured columns to one verdict for each image, and what a changed rule affects."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from assets.engine.measure import ImageMeasure, read_measures
from assets.filtered.config import FilteredConfig
from assets.filtered.decide import check_rules, compare_verdicts, funnel_row, rule_verdicts
from assets.lake.contact_sheet import MAX_COLUMNS, contact_sheet
from assets.lake.images import read_image_table, read_images, read_ingested_images
from assets.lake.kept import PAIR_SAMPLES_PATH, image_categories
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED, FILTERED_PAIRS
from assets.lake.schemas import SAMPLES, VERDICTS
from assets.lake.steps import StepOutput
from assets.measured.perceptual import DISTANCE, Pristine, fit_pristine_if_enough, with_distances
from models.common.pixels import decode

STAGE = "filtered"
PRISTINE = "filtered/pristine.json"
MAX_LISTED = 100


def filter_images(
    lake: Lake, shards: Sequence[str], measures: Sequence[ImageMeasure], config: FilteredConfig
) -> StepOutput:
    """Writes `verdicts/filtered.parquet` with a verdict for every ingested image, including duplicates.

    If a rule uses the distance from natural images, these are the images that all other rules keep. Their
    statistics are written to `filtered/pristine.json` and used for targets as well. The facts contain the
    verdicts that differ from the previous run, and how many samples depend on them.

    Args:
        lake: holds the measures of the shards.
        shards: those of the ingested images.
        measures: the measures that rules may name.
        config: the rules.

    Raises:
        UnknownColumnError: a rule names a column that does not exist or is not numeric.
    """
    check_rules(config.rules, measures)
    before = lake.read_table(FILTERED, VERDICTS) if lake.exists(FILTERED) else None
    samples = lake.read_tables("samples/raw", SAMPLES)
    images = images_with_measures(lake, read_ingested_images(lake, shards), measures, samples)
    uses_distance = any(rule.measure == DISTANCE for rule in config.rules.values())
    pristine = _fit_pristine(images, config) if uses_distance else None
    if uses_distance:
        lake.write_json(PRISTINE, None if pristine is None else pristine.to_json())
        images = with_distances(images, pristine)
    verdicts = rule_verdicts(images, config.rules, STAGE)
    lake.write_table(FILTERED, verdicts, VERDICTS)
    duplicates = lake.read_table(DEDUPED, VERDICTS).filter(~pl.col("kept"))["id"].implode()
    facts = {
        **funnel_row(STAGE, verdicts.filter(~pl.col("id").is_in(duplicates))),
        "failed_measures": failed_measures(images, measures),
        "pristine_images": None if pristine is None else pristine.images,
        "changed": None if before is None else verdict_changes(lake, before, verdicts),
    }
    files = (FILTERED, PRISTINE) if uses_distance else (FILTERED,)
    return StepOutput(files, verdicts.height, facts, _preview(lake, shards, verdicts))


def filter_targets(
    lake: Lake, shards: Sequence[str], measures: Sequence[ImageMeasure], config: FilteredConfig
) -> StepOutput:
    """Writes `verdicts/filtered_pairs.parquet`: the same rules for the targets of synthesized pairs.

    Args:
        lake: holds the samples, the measures of the shards, and what `filter_images` wrote.
        shards: those of the targets.
        measures: the measures that rules may name.
        config: the rules; `unless_category` exempts edits that do on purpose what a rule forbids.

    Raises:
        UnknownColumnError: a rule names a column that does not exist or is not numeric.
    """
    check_rules(config.rules, measures)
    synthesized = lake.read_table(PAIR_SAMPLES_PATH, SAMPLES)
    edits = synthesized.filter(pl.col("origin").struct.field("parents").list.len() == 0)
    images = images_with_measures(lake, read_image_table(lake, shards), measures, edits)
    if any(rule.measure == DISTANCE for rule in config.rules.values()):
        stored = lake.read_json(PRISTINE)
        images = with_distances(images, None if stored is None else Pristine.from_json(stored))
    verdicts = rule_verdicts(images, config.rules, "filtered_pairs")
    lake.write_table(FILTERED_PAIRS, verdicts, VERDICTS)
    facts = funnel_row("filtered_pairs", verdicts)
    facts["failed_measures"] = failed_measures(images, measures)
    return StepOutput((FILTERED_PAIRS,), verdicts.height, facts, _preview(lake, shards, verdicts))


def images_with_measures(
    lake: Lake, images: pl.DataFrame, measures: Sequence[ImageMeasure], samples: pl.DataFrame
) -> pl.DataFrame:
    """Returns `id`, the measured columns, and `corpus`, `category`, `subcategory` of every image.

    Args:
        lake: holds the measures.
        images: from `read_image_table`.
        measures: the measures to join.
        samples: SAMPLES; an image has the categories of the sample whose target it is, else of an edit of it.
    """
    measured = read_measures(lake, measures, images["shard"].unique().sort().to_list())
    unique = images.unique("image_id", keep="first", maintain_order=True)
    return (
        unique.select(id="image_id", corpus="corpus")
        .join(measured, on="id", how="left")
        .join(image_categories(samples), left_on="id", right_on="image_id", how="left")
    )


def failed_measures(images: pl.DataFrame, measures: Sequence[ImageMeasure]) -> dict[str, int]:
    """Returns the number of images that each measure failed on; rules do not apply to their null values."""
    counts = {measure.name: int(images[f"{measure.name}.error"].is_not_null().sum()) for measure in measures}
    return {name: count for name, count in counts.items() if count}


def verdict_changes(lake: Lake, before: pl.DataFrame, after: pl.DataFrame) -> dict[str, Any]:
    """Returns how verdicts differ from the previous ones, and how many samples use the affected images.

    `images` lists the first 100 of them, with the previous and the new rule.
    """
    rows = compare_verdicts(before, after)
    ids = pl.Series([row["id"] for row in rows if "kept" in (row["was"], row["is"])], dtype=pl.String)
    used = pl.concat_list("source_ids", "target_id")
    samples = lake.read_tables("samples", SAMPLES).select("sample_id", used=used).explode("used")
    affected = samples.filter(pl.col("used").is_in(ids.implode()))
    return {
        "newly_kept": sum(row["is"] == "kept" for row in rows),
        "newly_dropped": sum(row["was"] == "kept" for row in rows),
        "other_rule": len(rows) - len(ids),
        "samples_that_use_them": affected["sample_id"].n_unique(),
        "images": rows[:MAX_LISTED],
    }


def _fit_pristine(images: pl.DataFrame, config: FilteredConfig) -> Pristine | None:
    others = {name: rule for name, rule in config.rules.items() if rule.measure != DISTANCE}
    if not others:
        return fit_pristine_if_enough(images)
    kept = rule_verdicts(images, others, STAGE).filter("kept")
    return fit_pristine_if_enough(images.join(kept, on="id", how="semi"))


def _preview(lake: Lake, shards: Sequence[str], verdicts: pl.DataFrame) -> bytes | None:
    """Returns a contact sheet of kept images and, below them, of the images that each rule dropped."""
    shard_of = dict(read_image_table(lake, shards).select("image_id", "shard").iter_rows())
    rows = []
    for rule in [None, *verdicts["rule"].drop_nulls().unique().sort()]:
        chosen = verdicts.filter(pl.col("rule").eq_missing(pl.lit(rule)))["id"].head(MAX_COLUMNS)
        files = read_images(lake, shard_of, chosen)
        rows.append((rule or "kept", [decode(files[image_id], 96) for image_id in chosen]))
    return contact_sheet(rows)
