"""The measure of edits: PSNR, SSIM, largest block change and descriptor cosine of source and target."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Row
from assets.engine.pair_measure import PairMeasure, measure_pairs, pair_shards
from assets.lake.images import read_images
from assets.lake.kept import PAIR_IMAGES_PATH, image_shards
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode
from models.common.progress import Progress
from models.similarity.pair_metrics import largest_block_change, psnr, ssim

LONG_SIDE = 512
COLUMNS: Mapping[str, pl.DataType] = {
    "psnr": pl.Float64(),  # dB, at most 100
    "ssim": pl.Float64(),  # of grey values
    "largest_block_change": pl.Float64(),  # 0 to 1
    "similarity": pl.Float64(),  # descriptor cosine
}


def edits_of(samples: pl.DataFrame) -> pl.DataFrame:
    """Returns the edits among SAMPLES with `source_id`, the first reference, which is the edited image."""
    return samples.filter(pl.col("task") == "i2i").with_columns(source_id=pl.col("source_ids").list.first())


def measure_edits(lake: Lake, samples: pl.DataFrame, *, workers: int, progress: Progress) -> pl.DataFrame:
    """Returns `id`, PSNR, SSIM, largest block change, descriptor similarity and `error` of each edit.

    The result is stored as the measure `pairs`, in one table for each shard of pairs.

    Args:
        lake: holds the image shards and the copy descriptor.
        samples: SAMPLES; text-to-image samples are ignored.
        workers: number of processes.
        progress: called for each shard.
    """
    from models.descriptors.copy_descriptor import weights_digest

    shard_of = image_shards(lake, PAIR_IMAGES_PATH)
    folder = lake.local_path(COPY_DESCRIPTOR)
    digest = weights_digest(folder)
    measure = PairMeasure("pairs", f"1-{digest}", COLUMNS, partial(_compare, lake, shard_of, folder, digest))
    edits = edits_of(samples).select("sample_id", "source_id", "target_id")
    return measure_pairs(lake, measure, pair_shards(edits, shard_of), workers=workers, progress=progress)


def _compare(
    lake: Lake, shard_of: Mapping[str, str], folder: Path, digest: str, edits: pl.DataFrame
) -> list[Row]:
    from models.descriptors.copy_descriptor import describe_images

    files = read_images(lake, dict(shard_of), {*edits["source_id"], *edits["target_id"]})
    rows_by_pair: dict[tuple[str, str], Row] = {}
    for (source_id,), part in sorted(edits.partition_by("source_id", as_dict=True).items()):
        source = _decode_or_reason(files[str(source_id)])
        for target_id in part["target_id"].unique().sort():
            inverted = rows_by_pair.get((target_id, str(source_id)))
            if inverted is not None:  # all four values are symmetric
                rows_by_pair[str(source_id), target_id] = inverted
                continue
            target = _decode_or_reason(files[target_id])
            if isinstance(source, str) or isinstance(target, str):
                rows_by_pair[str(source_id), target_id] = {
                    "error": source if isinstance(source, str) else target
                }
                continue
            vectors = describe_images(folder, digest, [source, target])
            cosine = float(np.dot(vectors[0]["vector"], vectors[1]["vector"]))
            rows_by_pair[str(source_id), target_id] = {
                **compare(source, target),
                "similarity": round(cosine, 6),
            }
    return [rows_by_pair[pair] for pair in edits.select("source_id", "target_id").iter_rows()]


def compare(source: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Returns PSNR, SSIM and largest block change of (H, W, 3) images, the larger shrunk to the other."""
    if source.shape != target.shape:
        smaller, larger = sorted((source, target), key=lambda image: (image.size, image.shape))
        source, target = smaller, cv2.resize(larger, smaller.shape[1::-1], interpolation=cv2.INTER_AREA)
    figures = {"psnr": psnr(source, target), "ssim": ssim(source, target)}
    figures["largest_block_change"] = largest_block_change(source, target)
    return {name: round(value, 6) for name, value in figures.items()}


def _decode_or_reason(data: bytes) -> np.ndarray | str:
    try:
        return decode(data, LONG_SIDE)
    except UnreadableImageError as error:
        return str(error)
