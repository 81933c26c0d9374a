"""Precision and recall of the filters, by the defects that were planted in the demo's corpus."""

from collections.abc import Mapping

import polars as pl

FILTER_OF: Mapping[str, str] = {
    "exact_copy": "duplicates",
    "recompressed": "duplicates",
    "resized": "duplicates",
    "cropped": "duplicates",
    "brightness_shift": "duplicates",
    "mirrored": "duplicates",
    "blur": "blur",
    "underexposed": "exposure",
    "overexposed": "exposure",
    "flat": "flat",
    "noise": "noise",
    "code": "codes",
    "overlay_text": "overlay_text",
    "collage": "collage",
    "mosaic": "mosaic",
    "privacy_bar": "privacy_bar",
    "truncated": "truncated",
    "not_an_image": "truncated",
}
"""The filter that should find each planted defect. `exif_rotated` is missing, since such images are kept."""


def score_filters(
    records: pl.DataFrame, deduped: pl.DataFrame, filtered: pl.DataFrame, truth: pl.DataFrame
) -> dict[str, dict[str, float | int | None]]:
    """Returns precision, recall and counts by filter. Precision or recall is None if its denominator is zero.

    A filter finds a file if its rule decides the verdict. A find that was not planted for this filter lowers
    its precision, even if it is another planted defect.

    Args:
        records: RECORDS of the demo's corpus.
        deduped: VERDICTS of deduplication, by image id, or by record id for other files with equal bytes.
        filtered: VERDICTS of the rules, by image id.
        truth: TRUTH of the demo's corpus, with record_id, defect and parent_record_id.
    """
    files = records.join(truth.select("record_id", "defect", "parent_record_id"), on="record_id", how="left")
    decided = files.join(filtered.select(image_id="id", rule="rule"), on="image_id", how="left").with_columns(
        found=pl.when(pl.col("image_id").is_null()).then(pl.lit("truncated")).otherwise("rule"),
        planted=pl.col("defect").replace_strict(FILTER_OF, default=None, return_dtype=pl.String),
    )
    names = [name for name in dict.fromkeys(FILTER_OF.values()) if name != "duplicates"]
    scores = {"duplicates": _duplicates(files, deduped)}
    for name in names:
        found, planted = decided["found"] == name, decided["planted"] == name
        hits = int((found & planted).sum())
        scores[name] = _figures(hits, int(found.sum()), int(planted.sum()))
    return scores


def _duplicates(files: pl.DataFrame, deduped: pl.DataFrame) -> dict[str, float | int | None]:
    """Scores families: an image and its planted copies, of which any one may be kept."""
    dropped_ids = deduped.filter(~pl.col("kept"))["id"].implode()
    repeated = deduped.filter(pl.col("rule") == "exact_bytes")["id"].implode()
    is_copy = pl.col("defect").replace_strict(FILTER_OF, default=None, return_dtype=pl.String) == "duplicates"
    marked = files.drop_nulls("image_id").with_columns(
        family=pl.when(is_copy).then("parent_record_id").otherwise("record_id"),
        copy=is_copy.fill_null(False),
        dropped=pl.col("record_id").is_in(repeated) | pl.col("image_id").is_in(dropped_ids),
    )
    families = marked.group_by("family").agg(pl.col("dropped").sum(), pl.col("copy").sum())
    hits = families.select(pl.min_horizontal("dropped", "copy").sum()).item()
    return _figures(int(hits), int(marked["dropped"].sum()), int(marked["copy"].sum()))


def _figures(hits: int, found: int, planted: int) -> dict[str, float | int | None]:
    return {
        "precision": hits / found if found else None,
        "recall": hits / planted if planted else None,
        "found": found,
        "planted": planted,
    }
