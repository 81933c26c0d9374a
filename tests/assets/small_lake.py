"""A lake with a handful of rows in every table, for what reads them all."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from assets.lake.images import StoredImage, write_image_shard
from assets.lake.kept import PAIR_SAMPLES_PATH
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS, VERDICTS
from models.common.pixels import encode_jpeg


def table(schema: Mapping[str, pl.DataType], *rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of a schema; what they leave out is null."""
    return pl.DataFrame([dict.fromkeys(schema) | dict(row) for row in rows], schema=dict(schema))


def record(name: str, image: str | None, **changes: Any) -> dict[str, Any]:
    row = {"record_id": f"r-{name}", "path": f"photos/{name}.jpg", "image_id": image, "corpus": "mine"}
    return row | {"group_id": f"g-{name}", "split": "train", "batch": "mine-0000"} | changes


def sample(name: str, sources: list[str], target: str, template: str = "blur") -> dict[str, Any]:
    origin = {"engine": "templates", "template": template, "parameters": "{}", "seed": 0, "parents": []}
    row = {"sample_id": name, "group_id": "g-a", "split": "train", "task": "i2i", "category": "stylistic"}
    return row | {"source_ids": sources, "target_id": target, "origin": origin}


def verdict(
    identifier: str, stage: str, rule: str | None = None, value: float | None = None
) -> dict[str, Any]:
    return {"id": identifier, "stage": stage, "kept": rule is None, "rule": rule, "value": value}


def write(lake: Lake, path: str, schema: Mapping[str, pl.DataType], *rows: Mapping[str, Any]) -> None:
    lake.write_table(path, table(schema, *rows), schema)


def write_small_lake(lake: Lake) -> dict[str, str]:
    """Writes three pictures, an unreadable file, an edit and its inverse; returns the pictures' ids."""
    files = {}
    for number, name in enumerate("abt"):
        pixels = np.full((16, 16, 3), 60 * number + 40, np.uint8)
        files[name] = StoredImage(encode_jpeg(pixels, 90), f"photos/{name}.jpg", "mine", "own")
    write_image_shard(lake, "images/mine-0000/shard-000.parquet", [files["a"], files["b"]])
    write_image_shard(lake, "images/synthesized/shard-000.parquet", [files["t"]])
    ids = {name: file.image_id for name, file in files.items()}
    broken = record("broken", None, error="not an image in a supported format")
    records = record("a", ids["a"]), record("again", ids["a"]), record("b", ids["b"]), broken
    write(lake, "records/mine-0000.parquet", RECORDS, *records)
    edits = (
        sample("s-forward", [ids["a"]], ids["t"]),
        sample("s-inverse", [ids["t"]], ids["a"], "blur:inverse"),
    )
    write(lake, "samples/synthesized.parquet", SAMPLES, *edits)
    write(lake, "samples/longtail.parquet", SAMPLES)
    write(lake, PAIR_SAMPLES_PATH, SAMPLES, *edits)
    text = {"text_id": "x1", "sample_id": "s-forward", "kind": "concise", "lang": "en", "text": "Blur it."}
    write(lake, "texts/synthesized.parquet", TEXTS, text | {"model": "template"})
    write(lake, "verdicts/deduped.parquet", VERDICTS, *(verdict(ids[name], "deduped") for name in "ab"))
    verdicts = verdict(ids["a"], "filtered"), verdict(ids["b"], "filtered", "blur", 0.1)
    write(lake, "verdicts/filtered.parquet", VERDICTS, *verdicts)
    write(lake, "verdicts/filtered_pairs.parquet", VERDICTS, verdict(ids["t"], "filtered_pairs"))
    pairs = verdict("s-forward", "deduped_pairs"), verdict("s-inverse", "deduped_pairs", "identity", 0.0)
    write(lake, "verdicts/deduped_pairs.parquet", VERDICTS, *pairs)
    write(lake, "verdicts/postfiltered.parquet", VERDICTS, verdict("s-forward", "postfiltered"))
    return ids
