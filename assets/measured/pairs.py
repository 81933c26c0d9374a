"""The measure of edits: PSNR, SSIM, largest block change and descriptor similarity of source and target."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from assets.engine.measure import Row
from assets.engine.pair_measure import PairMeasure, measure_pairs, pair_shards
from assets.lake.images import read_image_table, read_images
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR
from models.common.pixels import UnreadableImageError, decode
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
    """Returns the edits among SAMPLES with `source_id`, the first reference, which a target changes."""
    return samples.filter(pl.col("task") == "i2i").with_columns(source_id=pl.col("source_ids").list.first())


def measure_edits(lake: Lake, samples: pl.DataFrame, *, workers: int, progress: Progress) -> pl.DataFrame:
    """Returns `id`, PSNR, SSIM, largest block change, descriptor similarity and `error` of each edit.

    Kept as the measure `pairs`, in one table for each shard of pictures.

    Args:
        lake: holds the image shards and the copy descriptor.
        samples: SAMPLES; text-to-image samples are left out.
        workers: processes.
        progress: told of each shard.
    """
    from models.descriptors.copy_descriptor import weights_digest

    stored = read_image_table(lake, lake.list("images", ".parquet"))
    shard_of = dict(
        stored.unique("image_id", keep="first", maintain_order=True).select("image_id", "shard").rows()
    )
    folder = lake.local_path(COPY_DESCRIPTOR)
    digest = weights_digest(folder)
    measure = PairMeasure("pairs", f"1-{digest}", COLUMNS, partial(_compare, lake, shard_of, folder, digest))
    edits = edits_of(samples).select("sample_id", "source_id", "target_id")
    return measure_pairs(lake, measure, pair_shards(edits, shard_of), workers=workers, progress=progress)


def _compare(
    lake: Lake, shard_of: Mapping[str, str], folder: Path, digest: str, edits: pl.DataFrame
) -> list[Row]:
    from models.descriptors.copy_descriptor import describe_pictures

    files = read_images(lake, dict(shard_of), {*edits["source_id"], *edits["target_id"]})
    found: dict[tuple[str, str], Row] = {}
    for (source_id,), part in sorted(edits.partition_by("source_id", as_dict=True).items()):
        source = _decoded(files[str(source_id)])
        for target_id in part["target_id"].unique().sort():
            inverted = found.get((target_id, str(source_id)))
            if inverted is not None:  # all four figures are the same either way
                found[str(source_id), target_id] = inverted
                continue
            target = _decoded(files[target_id])
            if isinstance(source, str) or isinstance(target, str):
                found[str(source_id), target_id] = {"error": source if isinstance(source, str) else target}
                continue
            vectors = describe_pictures(folder, digest, [source, target])
            cosine = float(np.dot(vectors[0]["vector"], vectors[1]["vector"]))
            found[str(source_id), target_id] = {**compare(source, target), "similarity": round(cosine, 6)}
    return [found[pair] for pair in edits.select("source_id", "target_id").iter_rows()]


def compare(source: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Returns PSNR, SSIM and largest block change of (H, W, 3) pictures, the larger at the other's size."""
    if source.shape != target.shape:
        smaller, larger = sorted((source, target), key=lambda picture: (picture.size, picture.shape))
        source, target = smaller, cv2.resize(larger, smaller.shape[1::-1], interpolation=cv2.INTER_AREA)
    figures = {"psnr": psnr(source, target), "ssim": ssim(source, target)}
    figures["largest_block_change"] = largest_block_change(source, target)
    return {name: round(value, 6) for name, value in figures.items()}


def _decoded(data: bytes) -> np.ndarray | str:
    try:
        return decode(data, LONG_SIDE)
    except UnreadableImageError as error:
        return str(error)
