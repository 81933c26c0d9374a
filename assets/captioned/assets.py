"""Captions (report 2.5.1); the instructions of 2.5.2 are written where the pairs are made."""

import dagster as dg

from assets.captioned.config import CaptionedConfig
from assets.captioned.structured import caption_images
from assets.lake.kept import kept_images
from assets.lake.lake import Lake
from assets.lake.materialize import ingested_shards, materialize
from assets.measured.overlay_text import recognized_texts
from models.common.progress import Progress


@dg.asset(
    name="captioned",
    group_name="captioned",
    kinds={"opencv"},
    owners=["team:data"],
    code_version="1",
    deps=["raw_images", "raw_samples", "measured", "deduped", "filtered"],
)
def captioned_images(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    captioned: dg.ResourceParam[CaptionedConfig],
) -> dg.MaterializeResult:
    """A structured caption of every kept image: palette, exposure, layout and visible text, nothing invented.

    Writes `captions/structured.parquet` (JSON by the report's schema) and `texts/captioned.parquet`; read by
    `train_cache`.
    """
    return materialize(
        context,
        lake,
        lambda: caption_images(
            lake, kept_images(lake), recognized_texts(lake, ingested_shards(lake)), captioned, progress
        ),
    )
