"""The schemas of all tables that pass between stages, and the check that readers and writers make."""

from collections.abc import Mapping

import polars as pl

TASKS = ("t2i", "i2i")
SPLITS = ("train", "heldout")
TEXT_KINDS = ("original", "structured", "detailed", "concise", "user_like")
LANGS = ("en", "zh", "other")

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "nature": ("objects", "landscapes", "cityscapes", "plants", "animals", "food", "indoor"),
    "design": ("posters", "interfaces", "cartoon"),
    "people": ("portraits", "sports", "activities"),
    "semantic": ("add", "remove", "replace", "background", "extract"),
    "stylistic": ("color", "stylize", "adjust", "beauty", "lowlevel"),
    "structural": ("viewpoint", "motion", "portrait", "text", "compose"),
}
"""Categories of report 2.1: three of images, with their subcategories, and three of edits, with REDEdit's.

A corpus may have categories of its own; rules can only name these.
"""

RECORDS: Mapping[str, pl.DataType] = {
    "record_id": pl.String(),  # hash of (corpus, path)
    "path": pl.String(),  # inside the corpus
    "image_id": pl.String(),  # null if the file is unreadable
    "error": pl.String(),  # why it is unreadable, else null
    "bytes": pl.Int64(),
    "corpus": pl.String(),
    "license": pl.String(),
    "url": pl.String(),
    "group_id": pl.String(),  # images that share pixels share a group; a split never divides it
    "split": pl.Enum(SPLITS),
    "batch": pl.String(),
}

ORIGIN = pl.Struct(
    {
        "engine": pl.String(),  # the corpus of the sample, or `template`
        "template": pl.String(),  # null for a corpus
        "parameters": pl.String(),  # JSON
        "seed": pl.Int64(),
        "parents": pl.List(pl.String()),  # samples that this one was made from
    }
)

SAMPLES: Mapping[str, pl.DataType] = {
    "sample_id": pl.String(),
    "group_id": pl.String(),
    "split": pl.Enum(SPLITS),
    "task": pl.Enum(TASKS),
    "category": pl.String(),  # report 2.1, or a REDEdit category
    "subcategory": pl.String(),
    "source_ids": pl.List(pl.String()),
    "target_id": pl.String(),
    "origin": ORIGIN,
    "license": pl.String(),
}

TEXTS: Mapping[str, pl.DataType] = {
    "text_id": pl.String(),
    "sample_id": pl.String(),
    "kind": pl.Enum(TEXT_KINDS),
    "lang": pl.Enum(LANGS),
    "text": pl.String(),
    "model": pl.String(),  # `corpus`, `template`, or the captioner's id
    "prompt_version": pl.Int64(),
    "seed": pl.Int64(),
    "parent_text_id": pl.String(),
}

VERDICTS: Mapping[str, pl.DataType] = {
    "id": pl.String(),
    "stage": pl.String(),
    "kept": pl.Boolean(),
    "rule": pl.String(),  # the rule that dropped it; null if kept
    "value": pl.Float64(),
    "threshold": pl.Float64(),
}


class SchemaError(ValueError):
    """A table has other columns or types than its schema."""


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType], table: str) -> pl.DataFrame:
    """Returns the frame with its columns in the order and types of `schema`.

    Raises:
        SchemaError: a column is missing or unknown, or a value does not fit its type.
    """
    missing = [name for name in schema if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in schema]
    if missing or unknown:
        raise SchemaError(
            f"{table}: missing columns {missing}, unknown columns {unknown}. Expected exactly {list(schema)}."
        )
    try:
        return frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in schema.items())
    except pl.exceptions.PolarsError as error:
        raise SchemaError(f"{table}: a value does not fit its column: {error}") from error


def empty(schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Returns a table with these columns and no rows."""
    return pl.DataFrame(schema=dict(schema))
