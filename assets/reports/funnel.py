"""The funnel: counts of every stage, and precision and recall of the filters on planted defects."""

from itertools import pairwise
from typing import Any

import polars as pl

from assets.corpora.demo.corpus import TRUTH
from assets.filtered.decide import funnel_row
from assets.lake.kept import PAIR_SAMPLES_PATH
from assets.lake.lake import Lake
from assets.lake.paths import DEDUPED, FILTERED, FILTERED_PAIRS, TRUTH_PATH
from assets.lake.schemas import RECORDS, SAMPLES, VERDICTS
from assets.lake.steps import StepOutput
from assets.reports.truth import score_filters

FUNNEL_PATH = "reports/funnel.json"
FIRST_OF_PAIRS = "filtered_pairs"


def write_funnel(lake: Lake) -> StepOutput:
    """Writes `reports/funnel.json`: counts of stages, precision and recall of filters, unreadable files."""
    records = lake.read_tables("records", RECORDS)
    deduped, filtered = lake.read_table(DEDUPED, VERDICTS), lake.read_table(FILTERED, VERDICTS)
    rows = [_ingest_row(records), funnel_row("deduped", deduped)]
    duplicates = deduped.filter(~pl.col("kept"))["id"].implode()
    rows.append(funnel_row("filtered", filtered.filter(~pl.col("id").is_in(duplicates))))
    rows += _pair_rows(lake)
    facts = {
        "funnel": rows,
        "filters": _filters(lake, records, deduped, filtered),
        "unreadable": _unreadable(records),
    }
    lake.write_json(FUNNEL_PATH, facts)
    return StepOutput((FUNNEL_PATH,), len(rows), facts)


def is_monotone(rows: list[dict[str, Any]]) -> bool:
    """Returns whether rules account for all drops, and no stage receives more than the one before kept.

    The first stage of pairs is not compared with the one before, which counts images.
    """
    accounted = all(row["in"] - row["kept"] == sum(row["dropped"].values()) >= 0 for row in rows)
    follows = all(
        after["in"] <= before["kept"] for before, after in pairwise(rows) if after["stage"] != FIRST_OF_PAIRS
    )
    return accounted and follows


def _ingest_row(records: pl.DataFrame) -> dict[str, Any]:
    unreadable = int(records["image_id"].is_null().sum())
    kept = records.height - unreadable
    dropped = {"unreadable": unreadable} if unreadable else {}
    return {"stage": "raw_images", "in": records.height, "kept": kept, "dropped": dropped}


def _pair_rows(lake: Lake) -> list[dict[str, Any]]:
    """Returns the rows of the stages of pairs. Each counts the samples that the one before kept."""
    samples = lake.read_table(PAIR_SAMPLES_PATH, SAMPLES)
    left = samples.select("sample_id", uses=pl.concat_list("source_ids", "target_id", "sample_id"))
    rows = []
    for path in (FILTERED_PAIRS, "verdicts/deduped_pairs.parquet", "verdicts/postfiltered.parquet"):
        verdicts = lake.read_table(path, VERDICTS)
        concerned = left.explode("uses").join(verdicts, left_on="uses", right_on="id", how="left")
        rule = pl.col("rule").drop_nulls().sort().first()
        decided = concerned.group_by("sample_id").agg(rule=rule).with_columns(kept=pl.col("rule").is_null())
        rows.append(funnel_row(path.split("/")[-1].removesuffix(".parquet"), decided))
        left = left.join(decided.filter("kept"), on="sample_id", how="semi")
    return rows


def _filters(
    lake: Lake, records: pl.DataFrame, deduped: pl.DataFrame, filtered: pl.DataFrame
) -> dict[str, Any] | None:
    if not lake.exists(TRUTH_PATH):
        return None  # only the demo's corpus has planted defects
    return score_filters(records, deduped, filtered, lake.read_table(TRUTH_PATH, TRUTH))


def _unreadable(records: pl.DataFrame) -> list[dict[str, Any]]:
    return records.drop_nulls("error").sort("path").select("path", "error").to_dicts()
