"""Levels 2 and 3 of deduplication (report 2.2.1): edits that change nothing, everything, or nothing new."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from assets.dedup.config import COPY_DESCRIPTOR, PairsConfig
from assets.dedup.pair_measure import PairMeasure, measure_pairs, pair_shards
from assets.dedup.thumbnails import Thumbnails
from assets.engine.measure import Row
from assets.lake.images import read_image_table, read_images
from assets.lake.lake import Lake
from assets.lake.schemas import VERDICTS
from models.pair_metrics import largest_block_change, psnr, ssim
from models.pixels import UnreadableImageError, decode
from models.progress import Progress

STAGE = "deduped_pairs"
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
    from models.descriptor import weights_digest

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
    from models.descriptor import describe_pictures

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


def decide_pairs(
    samples: pl.DataFrame,
    texts: pl.DataFrame,
    measured: pl.DataFrame,
    *,
    kept_of: Mapping[str, str],
    thumbnails: Thumbnails,
    config: PairsConfig,
) -> pl.DataFrame:
    """Returns a VERDICTS row for each edit, by the rules identity, unrelated and near_duplicate_pair.

    Args:
        samples: SAMPLES; text-to-image samples get no row.
        texts: TEXTS, whose `original` tells the edits of a corpus apart, which no template names.
        measured: from `measure_edits`; what could not be measured fails no rule.
        kept_of: the image that stays for an image, from the clusters; images made since stay themselves.
        thumbnails: of all targets.
        config: thresholds and exemptions.
    """
    edits = edits_of(samples).join(measured, left_on="sample_id", right_on="id", how="left").sort("sample_id")
    identity = pl.col("largest_block_change") <= config.identity_max_change
    unrelated = (pl.col("similarity") < config.unrelated_max_similarity) & (
        pl.col("ssim") < config.unrelated_max_ssim
    )
    judged = edits.with_columns(
        identity=identity.fill_null(value=False),
        unrelated=unrelated.fill_null(value=False) & ~exempt(config.unrelated_exempt),
    )
    alone = judged.filter(~pl.col("identity") & ~pl.col("unrelated"))
    repeats = dict(
        _repeats(_with_edit_key(alone, texts), kept_of, thumbnails, config.near_duplicate_max_rmse)
    )
    distance = pl.col("sample_id").replace_strict(repeats, default=None, return_dtype=pl.Float64)
    rules = (
        (pl.col("identity"), "identity", pl.col("largest_block_change"), config.identity_max_change),
        (pl.col("unrelated"), "unrelated", pl.col("similarity"), config.unrelated_max_similarity),
        (distance.is_not_null(), "near_duplicate_pair", distance, config.near_duplicate_max_rmse),
    )
    return judged.select(
        id="sample_id",
        stage=pl.lit(STAGE),
        kept=~pl.any_horizontal(fails for fails, _, _, _ in rules),
        rule=pl.coalesce(pl.when(fails).then(pl.lit(name)) for fails, name, _, _ in rules),
        value=pl.coalesce(pl.when(fails).then(value) for fails, _, value, _ in rules),
        threshold=pl.coalesce(pl.when(fails).then(pl.lit(limit)) for fails, _, _, limit in rules),
    ).select(pl.col(name).cast(dtype) for name, dtype in VERDICTS.items())


def exempt(names: Sequence[str]) -> pl.Expr:
    """Returns whether a sample's category, subcategory or template, inverted or not, is among `names`."""
    template = pl.col("origin").struct.field("template")
    places = [pl.col("category"), pl.col("subcategory"), template, template.str.split(":").list.first()]
    return pl.any_horizontal(place.is_in(list(names)).fill_null(value=False) for place in places)


def _with_edit_key(edits: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    original = (
        texts.filter(pl.col("kind") == "original").sort("text_id").group_by("sample_id").agg(pl.first("text"))
    )
    template = pl.col("origin").struct.field("template")
    return edits.join(original, on="sample_id", how="left", maintain_order="left").with_columns(
        edit=pl.coalesce(template, pl.col("text"), pl.lit(""))
    )


def _repeats(
    edits: pl.DataFrame, kept_of: Mapping[str, str], thumbnails: Thumbnails, max_rmse: float
) -> Iterator[tuple[str, float]]:
    """Yields the samples whose target a kept sample of the same sources shows already, and how nearly."""
    kept: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for row in edits.sort("sample_id").iter_rows(named=True):
        sources = tuple(kept_of.get(source, source) for source in row["source_ids"])
        others = kept.setdefault(sources, [])
        distances = [
            _rmse(thumbnails, row["target_id"], target)
            for edit, target in others
            if target == row["target_id"] or edit == row["edit"]
        ]
        if distances and min(distances) <= max_rmse:
            yield row["sample_id"], round(min(distances), 6)
        else:
            others.append((row["edit"], row["target_id"]))


def _rmse(thumbnails: Thumbnails, first: str, second: str) -> float:
    if first == second:
        return 0.0
    left, right = thumbnails.pictures[thumbnails.rows([first, second])].astype(np.float32)
    return float(np.sqrt(np.mean((left - right) ** 2)))
