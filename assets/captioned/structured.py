"""Structured captions (report 2.5.1): what is in each kept image, before anything learns to change it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from assets.captioned.captioner import annotate, caption_text
from assets.captioned.config import CaptionedConfig
from assets.lake.contact_sheet import contact_sheet
from assets.lake.ids import text_id
from assets.lake.images import iterate_shard, read_image_table
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from models.common.pixels import decode
from models.common.progress import Progress, tracked

PROMPT_VERSION = 1
"""Raised when the captioner's wording changes."""

SIDE = 256
"""Pixels of the longer side that the captioner is given."""

TEXTS_PATH = "texts/captioned.parquet"
ANNOTATIONS_PATH = "captions/structured.parquet"
ANNOTATIONS: Mapping[str, pl.DataType] = {
    "image_id": pl.String(),
    "captioner": pl.String(),
    "annotation": pl.String(),  # JSON by the schema of the report's annotation prompt
}

PREVIEWED = 6


def caption_images(
    lake: Lake,
    kept: pl.DataFrame,
    ocr_texts: Mapping[str, str],
    config: CaptionedConfig,
    progress: Progress,
) -> StepOutput:
    """Writes one annotation an image, and its plain text for each text-to-image sample of that image.

    Args:
        lake: holds the images and the samples that came with them.
        kept: the images to caption, with `image_id`.
        ocr_texts: visible text by image id, empty where OCR found none; an id that is missing was not read.
        config: which captioner.
        progress: told of each image.
    """
    wanted = set(kept["image_id"].to_list())
    annotations: dict[str, dict[str, Any]] = {}
    shown: list[tuple[str, list[np.ndarray]]] = []
    images = _wanted_images(lake, wanted)
    for image_id, data in tracked(images, len(wanted), "captioning images", progress):
        pixels = decode(data, SIDE)
        annotations[image_id] = annotate(pixels, ocr_texts.get(image_id))
        if len(shown) < PREVIEWED:
            shown.append((caption_text(annotations[image_id]), [pixels]))
    rows = [
        {"image_id": image_id, "captioner": config.captioner, "annotation": _json(annotations[image_id])}
        for image_id in sorted(annotations)
    ]
    lake.write_table(ANNOTATIONS_PATH, pl.DataFrame(rows, schema=dict(ANNOTATIONS)), ANNOTATIONS)
    texts = [_text(sample, image_id, annotations) for sample, image_id in _samples(lake, annotations)]
    lake.write_table(TEXTS_PATH, pl.DataFrame(texts, schema=dict(TEXTS), orient="row"), TEXTS)
    facts = {
        "captioner": config.captioner,
        "images": len(rows),
        "with_text": sum(map(bool, ocr_texts.values())),
    }
    return StepOutput((ANNOTATIONS_PATH, TEXTS_PATH), len(texts), facts, contact_sheet(shown))


def _wanted_images(lake: Lake, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    table = read_image_table(lake, lake.list("images", ".parquet"))
    first = table.filter(pl.col("image_id").is_in(list(wanted))).unique("image_id", keep="first")
    for shard in sorted(first["shard"].unique().to_list()):
        own = set(first.filter(pl.col("shard") == shard)["image_id"].to_list())
        yield from ((image_id, data) for image_id, data in iterate_shard(lake, shard) if image_id in own)


def _samples(lake: Lake, annotations: Mapping[str, object]) -> list[tuple[str, str]]:
    samples = lake.read_tables("samples/raw", SAMPLES).unique("sample_id").sort("sample_id")
    return [row for row in samples.select("sample_id", "target_id").rows() if row[1] in annotations]


def _text(sample: str, image_id: str, annotations: Mapping[str, dict[str, Any]]) -> dict[str, object]:
    text = caption_text(annotations[image_id])
    return {
        "text_id": text_id(sample, "structured", "en", text),
        "sample_id": sample,
        "kind": "structured",
        "lang": "en",
        "text": text,
        "model": annotations[image_id]["captioner"],
        "prompt_version": PROMPT_VERSION,
        "seed": None,
        "parent_text_id": None,
    }


def _json(annotation: Mapping[str, Any]) -> str:
    return json.dumps(annotation, ensure_ascii=False)
