"""Level 1 of deduplication (report 2.2.1): finds copies of one photograph and selects the one to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.dedup.cells import assign_cells, block_pairs, component_roots, merge_components
from assets.dedup.config import DedupConfig
from assets.dedup.registration import registration_score
from assets.lake.schemas import VERDICTS
from assets.measured.pdq import BITS, ORIENTATIONS, dihedral_distances, unpack_hashes
from models.common.progress import Progress, tracked
from models.common.thumbnail import SIDE, luminance, squares_from_bytes

STAGE = "deduped"

CLUSTERS: Mapping[str, pl.DataType] = {
    "image_id": pl.String(),
    "cluster_id": pl.String(),  # the smallest image id of the cluster
    "kept_id": pl.String(),  # the image that is kept for it, or itself
    "rule": pl.String(),  # pdq or descriptor; null if the image is kept
    "distance": pl.Int64(),  # bits of 256 to the kept image, if PDQ matched
    "similarity": pl.Float64(),  # descriptor cosine to the kept image
    "alignment": pl.Float64(),  # registration score with the kept image, if it was checked
}


@dataclass(frozen=True)
class Candidates:
    """The features of all images that deduplication compares, in the order of the image ids.

    Attributes:
        image_ids: (N,) ascending.
        quality: (N, 3) pixels, octave of sharpness and file size, in this order of importance.
        hashes: (N, 8, 256) uint8 PDQ bits in eight orientations.
        matchable: (N,) whether the image has enough structure to be compared.
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
    """Pairs of copies, left < right. `distance` is -1 without a PDQ match, `registration` NaN with one."""

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    similarity: np.ndarray
    registration: np.ndarray


def build_candidates(images: pl.DataFrame, config: DedupConfig) -> Candidates:
    """Returns the features of measured images, sorted by id.

    An image with a null measure keeps its row and matches no other image.

    Args:
        images: image_id, pixels, sharpness, bytes, hashes, quality, vector, thumbnail; in any order.
        config: sets the PDQ quality below which an image matches no other image.
    """
    images = images.sort("image_id")
    readable = images.select(pl.all_horizontal(pl.col("hashes", "vector", "thumbnail").is_not_null()))
    rows = np.flatnonzero(readable.to_series().to_numpy())
    measured = images[rows]
    matchable = np.zeros(images.height, bool)
    matchable[rows] = (measured["quality"] >= config.pdq_min_quality).to_numpy()
    hashes = np.zeros((images.height, ORIENTATIONS, BITS), np.uint8)
    vectors = np.zeros((images.height, len(measured["vector"][0]) if len(rows) else 0), np.float32)
    thumbnails = np.zeros((images.height, SIDE, SIDE), np.float32)
    if len(rows):
        hashes[rows] = unpack_hashes(measured["hashes"].to_list())
        vectors[rows] = np.array(measured["vector"].to_list(), np.float32)
        thumbnails[rows] = luminance(squares_from_bytes(measured["thumbnail"].to_list()))
    # Sharpness in whole octaves: recompression raises it by a few percent, blur divides it by 2 or more.
    octave = pl.col("sharpness").clip(1e-6).log(2).round().fill_null(-20)
    pixels, size = (pl.col(name).fill_null(0).cast(pl.Float64) for name in ("pixels", "bytes"))
    quality = images.select(pixels, octave, size).to_numpy()
    return Candidates(images["image_id"].to_list(), quality, hashes, matchable, vectors, thumbnails)


def copy_edges(images: Candidates, config: DedupConfig, threshold: float, progress: Progress) -> Edges:
    """Returns all pairs of copies: those that PDQ matches, and those that descriptor and registration match.

    A pair is registered if its descriptor cosine is at least `threshold`. Pairs are compared inside
    overlapping cells of the descriptor space, as blocks of matrix products.
    """
    rows = np.flatnonzero(images.matchable)
    cells = assign_cells(images.vectors[rows], config.n_cells, config.cells_per_image, config.seed)
    pairs_by_block = [
        _block_pairs(images, left, right, config.pdq_max_distance, threshold)
        for cell in tracked(cells, len(cells), "comparing images", progress)
        for left, right in block_pairs(rows[cell])
    ]
    pairs = np.concatenate(pairs_by_block) if pairs_by_block else np.zeros((0, 3), np.int64)
    pairs = np.unique(pairs, axis=0)
    left, right, distance = pairs.T
    similarity = (images.vectors[left] * images.vectors[right]).sum(1)
    scores = np.full(len(pairs), np.nan)
    unmatched = np.flatnonzero(distance < 0)
    for pair in tracked(unmatched.tolist(), len(unmatched), "checking likely copies", progress):
        scores[pair] = registration_score(images.thumbnails[left[pair]], images.thumbnails[right[pair]])
    copies = (distance >= 0) | (scores >= config.min_alignment)
    return Edges(*(column[copies] for column in (left, right, distance, similarity, scores)))


def _block_pairs(
    images: Candidates, left: np.ndarray, right: np.ndarray, pdq_max_distance: int, threshold: float
) -> np.ndarray:
    cosines = images.vectors[left] @ images.vectors[right].T
    distances = dihedral_distances(images.hashes[left], images.hashes[right])
    alike = ((cosines >= threshold) | (distances <= pdq_max_distance)) & (left[:, None] < right[None, :])
    i, j = np.nonzero(alike)
    distance = distances[i, j].astype(np.int64)
    return np.stack([left[i], right[j], np.where(distance <= pdq_max_distance, distance, -1)], axis=1)


def cluster_copies(images: Candidates, edges: Edges) -> pl.DataFrame:
    """Returns a CLUSTERS row for each image, by the star rule.

    Images are visited from the best to the worst: most pixels, then sharpest, then largest file, then
    smallest id. An image is dropped only if it is a copy of an image that is kept, so a chain of copies never
    drops an image that is not a copy of the kept one.
    """
    parents = np.arange(len(images.image_ids), dtype=np.uint32)
    merge_components(parents, edges.left, edges.right)
    root = component_roots(parents, np.arange(len(parents)))
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
    """Returns the edge from each dropped image to the kept image that is most similar to it."""
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
        "alignment": None if by_pdq else round(float(edges.registration[edge]), 6),
    }


def duplicate_verdicts(
    records: pl.DataFrame, clusters: pl.DataFrame, config: DedupConfig, threshold: float
) -> pl.DataFrame:
    """Returns one VERDICTS row for each readable record.

    The first record of an image, by path, represents it and has the image id; any other is an `exact_bytes`
    duplicate and has its record id. So there is one row for each file, and rows with an image id join with
    images.
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
