"""Structured captions of all kept images (report 2.5.1)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from assets.captioned.captioner import annotate, caption_text
from assets.captioned.config import CaptionedConfig
from assets.lake.contact_sheet import contact_sheet
from assets.lake.ids import text_id
from assets.lake.images import iterate_shard
from assets.lake.kept import KEPT_SAMPLES_PATH
from assets.lake.lake import Lake
from assets.lake.paths import CAPTION_TEXTS
from assets.lake.schemas import SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from models.common.pixels import decode
from models.common.progress import Progress, tracked

PROMPT_VERSION = 1
"""Incremented when the wording of the captioner changes."""

SIDE = 256
"""Longer side in pixels of the images passed to the captioner."""

ANNOTATIONS_PATH = "captions/structured.parquet"
ANNOTATIONS: Mapping[str, pl.DataType] = {
    "image_id": pl.String(),
    "captioner": pl.String(),
    "annotation": pl.String(),  # JSON by the schema of the report's annotation prompt
}

PREVIEW_IMAGES = 6


def caption_images(
    lake: Lake,
    kept: pl.DataFrame,
    config: CaptionedConfig,
    progress: Progress,
) -> StepOutput:
    """Writes an annotation of each image, and its plain text for each text-to-image sample of the image.

    Args:
        lake: holds the images and their kept samples.
        kept: KEPT_IMAGES, the images to caption.
        config: selects the captioner.
        progress: called for each image.
    """
    ocr_texts = dict(kept.select("image_id", "visible_text").iter_rows())
    annotations: dict[str, dict[str, Any]] = {}
    preview: list[tuple[str, list[np.ndarray]]] = []
    for image_id, data in tracked(_kept_files(lake, kept), kept.height, "captioning images", progress):
        pixels = decode(data, SIDE)
        annotations[image_id] = annotate(pixels, ocr_texts[image_id])
        if len(preview) < PREVIEW_IMAGES:
            preview.append((caption_text(annotations[image_id]), [pixels]))
    rows = [
        {"image_id": image_id, "captioner": config.captioner, "annotation": _json(annotations[image_id])}
        for image_id in sorted(annotations)
    ]
    lake.write_table(ANNOTATIONS_PATH, pl.DataFrame(rows, schema=dict(ANNOTATIONS)), ANNOTATIONS)
    texts = [_text(sample, image_id, annotations) for sample, image_id in _samples(lake, annotations)]
    lake.write_table(CAPTION_TEXTS, pl.DataFrame(texts, schema=dict(TEXTS), orient="row"), TEXTS)
    facts = {
        "captioner": config.captioner,
        "images": len(rows),
        "with_text": sum(map(bool, ocr_texts.values())),
    }
    return StepOutput((ANNOTATIONS_PATH, CAPTION_TEXTS), len(texts), facts, contact_sheet(preview))


def _kept_files(lake: Lake, kept: pl.DataFrame) -> Iterator[tuple[str, bytes]]:
    for shard in kept["shard"].unique().sort():
        own = set(kept.filter(pl.col("shard") == shard)["image_id"].to_list())
        yield from ((image_id, data) for image_id, data in iterate_shard(lake, shard) if image_id in own)


def _samples(lake: Lake, annotations: Mapping[str, object]) -> list[tuple[str, str]]:
    samples = lake.read_table(KEPT_SAMPLES_PATH, SAMPLES)
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
