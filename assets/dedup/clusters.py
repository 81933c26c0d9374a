"""Level 1 of deduplication (report 2.2.1): copies of one photograph, and which of them stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.dedup.cells import assign_cells, blocks, merge, roots
from assets.dedup.config import DedupConfig
from assets.dedup.registration import alignment
from assets.lake.schemas import VERDICTS
from assets.measured.pdq import BITS, ORIENTATIONS, dihedral_distances, unpack_hashes
from models.common.progress import Progress, tracked
from models.common.thumbnail import SIDE, from_bytes, grey

STAGE = "deduped"

CLUSTERS: Mapping[str, pl.DataType] = {
    "image_id": pl.String(),
    "cluster_id": pl.String(),  # the smallest image id of the cluster
    "kept_id": pl.String(),  # the image that stays in this one's place, or itself
    "rule": pl.String(),  # pdq or descriptor; null where it stays
    "distance": pl.Int64(),  # bits of 256 to the kept image, where PDQ matched
    "similarity": pl.Float64(),  # descriptor cosine to the kept image
    "alignment": pl.Float64(),  # correlation with the kept image, where it was checked
}


@dataclass(frozen=True)
class Candidates:
    """What deduplication knows of each image, in the order of their ids.

    Attributes:
        image_ids: (N,) ascending.
        quality: (N, 3) pixels, octave of sharpness and file size, by which the best copy is chosen.
        hashes: (N, 8, 256) uint8 PDQ bits in eight orientations.
        matchable: (N,) whether the image has enough structure to be matched by its looks.
        vectors: (N, D) unit descriptors.
        thumbnails: (N, 64, 64) float32 grey.
    """

    image_ids: Sequence[str]
    quality: np.ndarray
    hashes: np.ndarray
    matchable: np.ndarray
    vectors: np.ndarray
    thumbnails: np.ndarray


@dataclass(frozen=True)
class Edges:
    """Pairs of copies, left < right; `distance` is -1 without a PDQ match, `alignment` NaN if unchecked."""

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    similarity: np.ndarray
    alignment: np.ndarray


def candidates(images: pl.DataFrame, config: DedupConfig) -> Candidates:
    """Returns the arrays of a table of measured images, sorted by id.

    An image that some measure could not read (null) keeps its row and matches nothing.

    Args:
        images: image_id, pixels, sharpness, bytes, hashes, quality, vector, thumbnail; in any order.
        config: gives the quality below which an image matches nothing either.
    """
    images = images.sort("image_id")
    readable = images.select(pl.all_horizontal(pl.col("hashes", "vector", "thumbnail").is_not_null()))
    rows = np.flatnonzero(readable.to_series().to_numpy())
    found = images[rows]
    matchable = np.zeros(images.height, bool)
    matchable[rows] = (found["quality"] >= config.pdq_min_quality).to_numpy()
    hashes = np.zeros((images.height, ORIENTATIONS, BITS), np.uint8)
    vectors = np.zeros((images.height, len(found["vector"][0]) if len(rows) else 0), np.float32)
    thumbnails = np.zeros((images.height, SIDE, SIDE), np.float32)
    if len(rows):
        hashes[rows] = unpack_hashes(found["hashes"].to_list())
        vectors[rows] = np.array(found["vector"].to_list(), np.float32)
        thumbnails[rows] = grey(from_bytes(found["thumbnail"].to_list()))
    # Whole octaves: recompression raises sharpness by some percent, blur lowers it several times.
    octave = pl.col("sharpness").clip(1e-6).log(2).round().fill_null(-20)
    pixels, size = (pl.col(name).fill_null(0).cast(pl.Float64) for name in ("pixels", "bytes"))
    quality = images.select(pixels, octave, size).to_numpy()
    return Candidates(images["image_id"].to_list(), quality, hashes, matchable, vectors, thumbnails)


def copy_edges(images: Candidates, config: DedupConfig, threshold: float, progress: Progress) -> Edges:
    """Returns all pairs of copies: near by PDQ, or descriptors above `threshold` that are found to align.

    Both are looked for inside overlapping cells of the descriptor space, as blocks of matrix products.
    """
    rows = np.flatnonzero(images.matchable)
    cells = assign_cells(images.vectors[rows], config.n_cells, config.cells_per_image, config.seed)
    found = [
        _block_pairs(images, left, right, config.pdq_max_distance, threshold)
        for cell in tracked(cells, len(cells), "comparing images", progress)
        for left, right in blocks(rows[cell])
    ]
    pairs = np.concatenate(found) if found else np.zeros((0, 3), np.int64)
    pairs = np.unique(pairs, axis=0)
    left, right, distance = pairs.T
    similarity = (images.vectors[left] * images.vectors[right]).sum(1)
    aligned = np.full(len(pairs), np.nan)
    unsure = np.flatnonzero(distance < 0)
    for pair in tracked(unsure.tolist(), len(unsure), "checking likely copies", progress):
        aligned[pair] = alignment(images.thumbnails[left[pair]], images.thumbnails[right[pair]])
    copies = (distance >= 0) | (aligned >= config.min_alignment)
    return Edges(*(column[copies] for column in (left, right, distance, similarity, aligned)))


def _block_pairs(
    images: Candidates, left: np.ndarray, right: np.ndarray, pdq_max_distance: int, threshold: float
) -> np.ndarray:
    cosines = images.vectors[left] @ images.vectors[right].T
    distances = dihedral_distances(images.hashes[left], images.hashes[right])
    alike = ((cosines >= threshold) | (distances <= pdq_max_distance)) & (left[:, None] < right[None, :])
    i, j = np.nonzero(alike)
    distance = distances[i, j].astype(np.int64)
    return np.stack([left[i], right[j], np.where(distance <= pdq_max_distance, distance, -1)], axis=1)


def cluster(images: Candidates, edges: Edges) -> pl.DataFrame:
    """Returns a CLUSTERS row for each image, by the star rule.

    Images are visited from the best to the worst: most pixels, then sharpest, then largest file, then
    smallest id. An image is dropped only if it is a copy of one that stays, so a chain of copies doesn't
    swallow what is no copy of the image that is left of it.
    """
    parents = np.arange(len(images.image_ids), dtype=np.uint32)
    merge(parents, edges.left, edges.right)
    root = roots(parents, np.arange(len(parents)))
    rank = np.empty(len(parents), np.int64)
    rank[np.lexsort((np.arange(len(parents)), *-images.quality.T[::-1]))] = np.arange(len(parents))
    kept_edge = _star(rank, edges)
    rows = []
    for image, image_id in enumerate(images.image_ids):
        edge = kept_edge.get(image)
        row = {"image_id": image_id, "cluster_id": images.image_ids[root[image]], "kept_id": image_id}
        if edge is not None:
            other = edges.right[edge] if edges.left[edge] == image else edges.left[edge]
            row |= {"kept_id": images.image_ids[other], **_evidence(edges, edge)}
        rows.append(row)
    return pl.DataFrame(rows, schema=dict(CLUSTERS))


def _star(rank: np.ndarray, edges: Edges) -> dict[int, int]:
    """Returns the edge by which each dropped image hangs on the kept image that is most like it."""
    neighbours: dict[int, list[tuple[int, int]]] = {}
    for edge, (left, right) in enumerate(zip(edges.left.tolist(), edges.right.tolist(), strict=True)):
        neighbours.setdefault(left, []).append((right, edge))
        neighbours.setdefault(right, []).append((left, edge))
    dropped: dict[int, int] = {}
    for image in sorted(neighbours, key=lambda image: rank[image]):
        stars = [
            (float(edges.similarity[edge]), -int(rank[other]), edge)
            for other, edge in neighbours[image]
            if rank[other] < rank[image] and other not in dropped
        ]
        if stars:
            dropped[image] = max(stars)[2]
    return dropped


def _evidence(edges: Edges, edge: int) -> dict[str, object]:
    by_pdq = edges.distance[edge] >= 0
    return {
        "rule": "pdq" if by_pdq else "descriptor",
        "distance": int(edges.distance[edge]) if by_pdq else None,
        "similarity": round(float(edges.similarity[edge]), 6),
        "alignment": None if by_pdq else round(float(edges.alignment[edge]), 6),
    }


def decide(
    records: pl.DataFrame, clusters: pl.DataFrame, config: DedupConfig, threshold: float
) -> pl.DataFrame:
    """Returns one VERDICTS row for each readable record.

    The first record of an image, by path, stands for it and has the image's id; any other is an `exact_bytes`
    duplicate and has its record's id. So the rows count files, and those with an image's id join with images.
    """
    readable = records.filter(pl.col("image_id").is_not_null()).sort("image_id", "corpus", "path")
    repeated = readable.filter(~pl.col("image_id").is_first_distinct()).select(
        id="record_id", kept=pl.lit(False), rule=pl.lit("exact_bytes"), value=None, threshold=None
    )
    by_pdq = pl.col("rule") == "pdq"
    limit = pl.when(by_pdq).then(pl.lit(config.pdq_max_distance)).otherwise(pl.lit(threshold))
    images = clusters.select(
        id="image_id",
        kept=pl.col("rule").is_null(),
        rule="rule",
        value=pl.when(by_pdq).then(pl.col("distance")).otherwise(pl.col("similarity")).cast(pl.Float64),
        threshold=pl.when(pl.col("rule").is_not_null()).then(limit).cast(pl.Float64),
    )
    rows = pl.concat([images, repeated], how="vertical_relaxed").with_columns(stage=pl.lit(STAGE))
    return rows.select(*VERDICTS).sort("id")
