"""The deduplication steps: level 1 over all images, levels 2 and 3 over all edits (report 2.2.1)."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from assets.dedup.clusters import (
    CLUSTERS,
    Candidates,
    build_candidates,
    cluster_copies,
    copy_edges,
    duplicate_verdicts,
)
from assets.dedup.config import DedupConfig, PairsConfig
from assets.dedup.pairs import edit_verdicts
from assets.engine.measure import ImageMeasure, read_measures
from assets.lake.contact_sheet import contact_sheet
from assets.lake.images import read_ingested_images
from assets.lake.kept import PAIR_IMAGES_PATH, image_shards, read_pairs
from assets.lake.lake import Lake
from assets.lake.paths import CLUSTERS_PATH, COPY_DESCRIPTOR, DEDUPED, DEDUPED_PAIRS
from assets.lake.schemas import RECORDS, VERDICTS
from assets.lake.steps import StepOutput
from assets.measured.pairs import edits_of, measure_edits
from assets.measured.pdq import PDQ
from assets.measured.registry import descriptor_measure
from assets.measured.thumbnail import THUMBNAIL, ThumbnailArray
from models.common.progress import Progress
from models.common.thumbnail import squares_from_bytes

PREVIEW_ROWS = 12
CALIBRATION_IMAGES = 2000
"""These give two million pairs, enough to estimate a rate of one in ten thousand to 7 %."""


def deduplicate_images(
    lake: Lake, shards: Sequence[str], config: DedupConfig, *, photometric: ImageMeasure, progress: Progress
) -> StepOutput:
    """Writes `verdicts/deduped.parquet` and `dedup/clusters.parquet`.

    Args:
        lake: holds the records, and the shards' measures PDQ, THUMBNAIL, descriptor and `photometric`.
        shards: those of the ingested images.
        config: thresholds for a copy.
        photometric: a measure with a column `sharpness`, which decides between two copies.
        progress: called for each cell and each checked pair.
    """
    records = lake.read_tables("records", RECORDS)
    table = _measured_images(lake, shards, records, photometric)
    images = build_candidates(table, config)
    threshold = similarity_threshold(images, records, config)
    edges = copy_edges(images, config, threshold, progress)
    clusters = cluster_copies(images, edges)
    verdicts = duplicate_verdicts(records, clusters, config, threshold)
    lake.write_table(CLUSTERS_PATH, clusters, CLUSTERS)
    lake.write_table(DEDUPED, verdicts, VERDICTS)
    facts = {
        "files": verdicts.height,
        **_counts(verdicts),
        "similarity_threshold": round(threshold, 4),
        "largest_cluster": clusters.group_by("cluster_id").len()["len"].max(),
    }
    return StepOutput((CLUSTERS_PATH, DEDUPED), verdicts.height, facts, _preview(table, clusters))


def deduplicate_edits(lake: Lake, config: PairsConfig, *, workers: int, progress: Progress) -> StepOutput:
    """Measures the edits that have no result yet and writes `verdicts/deduped_pairs.parquet`.

    Args:
        lake: holds samples, texts, clusters, the copy descriptor, and the thumbnails of all images.
        config: thresholds for no change, an unrelated target and a repeated edit.
        workers: number of processes.
        progress: called for each shard of targets.
    """
    samples, texts = read_pairs(lake)
    measured = measure_edits(lake, samples, workers=workers, progress=progress)
    clusters = lake.read_table(CLUSTERS_PATH, CLUSTERS)
    targets = edits_of(samples)["target_id"].to_list()
    verdicts = edit_verdicts(
        samples,
        texts,
        measured,
        kept_id_by_image=dict(clusters.select("image_id", "kept_id").iter_rows()),
        thumbnails=ThumbnailArray(lake, image_shards(lake, PAIR_IMAGES_PATH), targets),
        config=config,
    )
    lake.write_table(DEDUPED_PAIRS, verdicts, VERDICTS)
    return StepOutput((DEDUPED_PAIRS,), verdicts.height, _counts(verdicts))


def _counts(verdicts: pl.DataFrame) -> dict[str, object]:
    dropped = verdicts.drop_nulls("rule").group_by("rule").len().sort("rule")
    return {"kept": int(verdicts["kept"].sum()), "dropped": dict(dropped.iter_rows())}


def similarity_threshold(images: Candidates, records: pl.DataFrame, config: DedupConfig) -> float:
    """Returns the cosine above which a pair is checked, calibrated on held-out images of different groups.

    It is at least `min_similarity`, and equal to it if all held-out images are of one group.
    """
    from trainers.small.descriptor import calibrate_threshold

    heldout = records.filter(pl.col("split") == "heldout").drop_nulls("image_id")
    group_of = dict(heldout.sort("record_id").select("image_id", "group_id").iter_rows())
    rows = [
        row for row, image_id in enumerate(images.image_ids) if images.matchable[row] and image_id in group_of
    ]
    rows = rows[:CALIBRATION_IMAGES]  # a random sample, because ids are content hashes
    groups = [group_of[images.image_ids[row]] for row in rows]
    if len(set(groups)) < 2:
        return config.min_similarity
    calibrated = calibrate_threshold(images.vectors[np.array(rows)], groups, config.false_pair_rate)
    return max(config.min_similarity, calibrated)


def _measured_images(
    lake: Lake, shards: Sequence[str], records: pl.DataFrame, photometric: ImageMeasure
) -> pl.DataFrame:
    descriptor = descriptor_measure(lake.local_path(COPY_DESCRIPTOR))
    measured = read_measures(lake, [PDQ, THUMBNAIL, descriptor, photometric], shards)
    stored = read_ingested_images(lake, shards)
    sizes = records.drop_nulls("image_id").group_by("image_id").agg(pl.max("bytes"))
    joined = stored.join(measured, left_on="image_id", right_on="id", how="left")
    return joined.join(sizes, on="image_id", how="left").select(
        "image_id",
        pixels=pl.col("width") * pl.col("height"),
        sharpness=f"{photometric.name}.sharpness",
        bytes="bytes",
        hashes="pdq.hashes",
        quality="pdq.quality",
        vector="descriptor.vector",
        thumbnail="thumbnail.squeezed",
    )


def _preview(table: pl.DataFrame, clusters: pl.DataFrame) -> bytes | None:
    """Returns a contact sheet with one row for each kept image and the copies dropped for it."""
    squares = dict(table.drop_nulls("thumbnail").select("image_id", "thumbnail").iter_rows())
    dropped = (
        clusters.drop_nulls("rule")
        .sort("similarity", "image_id")
        .unique("kept_id", keep="first", maintain_order=True)
    )
    rows = []
    for kept_id in dropped["kept_id"].head(PREVIEW_ROWS):
        copies = clusters.filter((pl.col("kept_id") == kept_id) & (pl.col("image_id") != kept_id))
        images = squares_from_bytes([squares[image_id] for image_id in [kept_id, *copies["image_id"].sort()]])
        rows.append((", ".join(copies["rule"].unique().sort()), list(images)))
    return contact_sheet(rows)
