import hashlib
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assets.dedup.cells import BLOCK_ROWS, assign_cells, block_pairs, component_roots, merge_components
from assets.dedup.clusters import (
    Candidates,
    Edges,
    build_candidates,
    cluster_copies,
    copy_edges,
    duplicate_verdicts,
)
from assets.dedup.config import DedupConfig
from assets.lake.schemas import RECORDS, VERDICTS, conform
from models.common.progress import silent

CONFIG = DedupConfig(
    pdq_max_distance=48,
    pdq_min_quality=50,
    false_pair_rate=0.01,
    min_similarity=0.5,
    min_alignment=0.8,
    n_cells=1,
    cells_per_image=1,
    seed=0,
)


def names(count: int) -> list[str]:
    return sorted(hashlib.sha256(str(row).encode()).hexdigest()[:32] for row in range(count))


def images(count: int, quality: np.ndarray | None = None) -> Candidates:
    """Images of which none resembles another."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(count, 128)).astype(np.float32)
    return Candidates(
        image_ids=names(count),
        quality=np.ones((count, 3)) if quality is None else quality,
        hashes=generator.integers(0, 2, (count, 8, 256), dtype=np.uint8),
        matchable=np.ones(count, bool),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        thumbnails=generator.uniform(0, 255, (count, 64, 64)).astype(np.float32),
    )


def edges(pairs: list[tuple[int, int]]) -> Edges:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    count = len(pairs)
    return Edges(left, right, np.full(count, -1), np.full(count, 0.9), np.full(count, 0.95))


pairs_of = st.integers(2, 12).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] < p[1]),
            unique=True,
            max_size=25,
        ),
    )
)


@given(pairs_of)
def test_components_equal_those_of_scipy(case):
    count, pairs = case
    parents = np.arange(count, dtype=np.uint32)
    for pair in pairs:  # a stream of edges, one at a time
        merge_components(parents, np.array([pair[0]]), np.array([pair[1]]))
    ours = component_roots(parents, np.arange(count))
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    _, theirs = connected_components(coo_array((np.ones(len(pairs)), (left, right)), (count, count)))
    assert (np.equal.outer(ours, ours) == np.equal.outer(theirs, theirs)).all()
    assert all(ours[row] == np.flatnonzero(theirs == theirs[row])[0] for row in range(count))


@given(pairs_of, st.randoms(use_true_random=False))
def test_star_rule_drops_only_copies_of_what_stays_and_leaves_no_copies(case, random):
    count, pairs = case
    quality = np.array(
        [[random.choice([1, 2]), random.choice([1, 2]), random.random()] for _ in range(count)]
    )
    table = cluster_copies(images(count, quality), edges(pairs))
    ids = names(count)
    linked = {frozenset((ids[a], ids[b])) for a, b in pairs}
    stays = set(table.filter(pl.col("image_id") == pl.col("kept_id"))["image_id"])
    for row in table.iter_rows(named=True):
        if row["image_id"] not in stays:
            assert row["kept_id"] in stays
            assert frozenset((row["image_id"], row["kept_id"])) in linked
            better, worse = (quality[ids.index(row[name])].tolist() for name in ("kept_id", "image_id"))
            assert better >= worse
    assert not any(pair <= stays for pair in linked)


def test_a_chain_does_not_swallow_its_far_end():
    table = cluster_copies(images(3, np.array([[3, 1, 1], [2, 1, 1], [1, 1, 1]])), edges([(0, 1), (1, 2)]))
    first, middle, last = names(3)
    assert table["kept_id"].to_list() == [first, first, last]
    assert table["cluster_id"].to_list() == [first, first, first]
    assert table["rule"].to_list() == [None, "descriptor", None]
    assert middle not in table["kept_id"].to_list()


def measured_rows(count: int) -> list[dict]:
    """Rows as the measures give them; image 1 is image 0 darker, image 2 is image 0 again but larger."""
    plain = images(count)
    rows = []
    for row in range(count):
        like = 0 if row in (1, 2) else row
        square = np.repeat(plain.thumbnails[like][..., None], 3, axis=2).astype(np.uint8)
        bits = plain.hashes[like].copy()
        if row == 1:
            bits[:, :100] ^= 1
        rows.append(
            {
                "image_id": plain.image_ids[row],
                "pixels": 200 if row == 2 else 100,
                "sharpness": 1.0,
                "bytes": 5,
                "hashes": [np.packbits(turn).tobytes().hex() for turn in bits],
                "quality": 100,
                "vector": plain.vectors[like].tolist(),
                "thumbnail": (square // 2 if row == 1 else square).tobytes(),
            }
        )
    return rows


ROWS = measured_rows(8)


@settings(deadline=None, max_examples=20)
@given(st.permutations(ROWS), st.sampled_from([1, 3]))
def test_survivors_do_not_depend_on_input_order(rows, n_cells):
    config = CONFIG.model_copy(update={"n_cells": n_cells, "cells_per_image": 2})
    found = build_candidates(pl.DataFrame(rows), config)
    table = cluster_copies(found, copy_edges(found, config, 0.5, silent))
    ids = names(8)
    assert table.filter(pl.col("image_id") != pl.col("kept_id")).select(
        "image_id", "kept_id", "rule"
    ).rows() == [
        (ids[0], ids[2], "pdq"),
        (ids[1], ids[2], "descriptor"),
    ]


def test_likely_copies_that_do_not_align_are_kept():
    rows = [dict(row) for row in ROWS]
    rows[1]["thumbnail"] = rows[5]["thumbnail"]
    found = build_candidates(pl.DataFrame(rows), CONFIG)
    table = cluster_copies(found, copy_edges(found, CONFIG, 0.5, silent))
    assert table["rule"].to_list().count("descriptor") == 0


def test_images_without_structure_or_measures_match_nothing():
    rows = [dict(row) for row in ROWS[:3]]
    rows[0]["quality"] = 10
    rows[2] |= dict.fromkeys(("hashes", "vector", "thumbnail", "quality", "sharpness", "bytes"))
    found = build_candidates(pl.DataFrame(rows, infer_schema_length=None), CONFIG)
    assert found.matchable.tolist() == [False, True, False]
    assert copy_edges(found, CONFIG, 0.5, silent).left.size == 0


def test_a_corpus_without_images_has_no_clusters():
    found = build_candidates(pl.DataFrame(ROWS[:1]).clear(), CONFIG)
    assert cluster_copies(found, copy_edges(found, CONFIG, 0.5, silent)).is_empty()


def test_overlapping_cells_find_almost_all_copies_that_disjoint_cells_lose():
    generator = np.random.default_rng(0)
    originals = generator.normal(size=(1500, 32))
    copies = originals + 0.75 * generator.normal(size=(1500, 32))  # cosine about 0.8
    vectors = np.concatenate([originals, copies]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def recall(overlap):
        together = np.zeros(1500, bool)
        for cell in assign_cells(vectors, 30, overlap, 0):
            together |= np.isin(np.arange(1500), cell) & np.isin(np.arange(1500, 3000), cell)
        return together.mean()

    assert recall(1) < 0.75
    assert recall(3) > 0.95


def test_blocks_hold_every_pair():
    rows = np.arange(BLOCK_ROWS + 10)
    seen = np.zeros((len(rows), len(rows)), bool)
    for left, right in block_pairs(rows):
        seen[np.ix_(left, right)] = True
    assert (seen | seen.T).all()


def records(*rows: tuple[str, str | None]) -> pl.DataFrame:
    blank = dict.fromkeys(RECORDS)
    filled = [
        blank | {"record_id": f"r{path}", "path": path, "image_id": image, "corpus": "c", "split": "train"}
        for path, image in rows
    ]
    return pl.DataFrame(filled, schema=dict(RECORDS))


def test_every_readable_file_gets_one_verdict_and_equal_bytes_one_image():
    ids = names(2)
    table = cluster_copies(images(2), edges([]))
    found = duplicate_verdicts(
        records(("b", ids[0]), ("a", ids[0]), ("x", None), ("c", ids[1])), table, CONFIG, 0.6
    )
    conform(found, VERDICTS, "test")
    assert found.filter(pl.col("kept"))["id"].to_list() == ids
    dropped = found.filter(~pl.col("kept"))
    assert dropped.select("id", "rule").rows() == [("rb", "exact_bytes")]
    assert found.height == 3


def test_a_verdict_states_value_and_threshold_of_its_rule():
    found = build_candidates(pl.DataFrame(ROWS), CONFIG)
    table = cluster_copies(found, copy_edges(found, CONFIG, 0.5, silent))
    rows = duplicate_verdicts(
        records(*((str(n), name) for n, name in enumerate(names(8)))), table, CONFIG, 0.5
    )
    by_rule = {row["rule"]: (row["value"], row["threshold"]) for row in rows.iter_rows(named=True)}
    assert by_rule["pdq"] == (0, 48)
    assert by_rule["descriptor"] == (pytest.approx(1, abs=1e-5), 0.5)
    assert by_rule[None] == (None, None)
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in rows["id"])
