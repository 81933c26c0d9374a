from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.data.sampler import (
    BucketSampler,
    EmptyMixtureError,
    UnevenBatchError,
    balanced_weights,
    bucket_class,
    chunks_by_bucket,
    spread_rows,
    training_rows,
)

SHAPES = ("64x64", "48x80")


def mixture(rows=120, heldout=20):
    """Rows in four buckets of two classes; templates of very different sizes; weights 1 and 3."""
    numbers = range(rows)
    references = [number % 2 for number in numbers]
    return pl.DataFrame(
        {
            "sample_id": [f"s{number:03d}" for number in numbers],
            "text_key": [f"t{number:03d}" for number in numbers],
            "split": ["heldout" if number < heldout else "train" for number in numbers],
            "task": ["i2i" if count else "t2i" for count in references],
            "category": ["large" if number % 10 else "small" for number in numbers],
            "subcategory": None,
            "template": ["rare" if number % 10 == 0 else "common" for number in numbers],
            "bucket": [
                f"{'i2i' if count else 't2i'}|{count}|{SHAPES[number // 2 % 2]}|short"
                for number, count in zip(numbers, references, strict=True)
            ],
            "weight": [3.0 if number % 3 == 0 else 1.0 for number in numbers],
        },
        schema_overrides={"subcategory": pl.String},
    )


def sampler(frame=None, *, batch_size=8, balance_by=(), seed=0, world_size=2):
    frame = mixture() if frame is None else frame
    return BucketSampler(
        frame, batch_size=batch_size, balance_by=balance_by, seed=seed, world_size=world_size
    )


def test_a_batch_is_of_one_bucket_and_all_ranks_of_one_class():
    source = sampler()
    for step in range(200):
        batches = [source.batch(step, rank) for rank in range(2)]
        assert all(len(batch) == 4 and batch["bucket"].n_unique() == 1 for batch in batches)
        assert len({bucket_class(batch["bucket"][0]) for batch in batches}) == 1


def test_a_batch_that_does_not_divide_among_the_ranks_is_refused():
    with pytest.raises(UnevenBatchError) as raised:
        sampler(batch_size=9)
    assert (raised.value.batch_size, raised.value.world_size) == (9, 2)


def test_ranks_may_differ_in_shape():
    source = sampler()
    shapes = {tuple(source.batch(step, rank)["bucket"][0] for rank in range(2)) for step in range(50)}
    assert any(one != other for one, other in shapes)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 1), st.permutations(range(120)))
def test_a_batch_is_a_function_of_seed_step_and_rank_alone(step, rank, order):
    used = sampler()
    used.batch(3, 0)
    shuffled = sampler(mixture()[list(order)])
    assert used.batch(step, rank).equals(shuffled.batch(step, rank))


def test_another_seed_draws_others():
    one, two = sampler(seed=0), sampler(seed=1)
    assert any(not one.batch(step, 0).equals(two.batch(step, 0)) for step in range(5))


def test_held_out_rows_are_never_drawn():
    source = sampler()
    assert all(set(source.batch(step, 0)["split"]) == {"train"} for step in range(100))


def draw_counts(column, steps=3000, **settings):
    source = sampler(**settings)
    counts = Counter()
    for step in range(steps):
        counts.update(source.batch(step, 0)[column])
    return counts, 4 * steps


def test_rows_are_drawn_by_their_weights():
    counts, total = draw_counts("sample_id")
    rows = training_rows(mixture())
    expected = dict(zip(rows["sample_id"], rows["weight"] / rows["weight"].sum(), strict=True))
    found = np.array([counts[name] / total for name in expected])
    np.testing.assert_allclose(found, list(expected.values()), rtol=0.5)
    heavy = (rows["weight"] == 3).to_numpy()
    assert found[heavy].mean() / found[~heavy].mean() == pytest.approx(3, rel=0.05)


def test_clusters_are_drawn_equally_often_when_balanced():
    counts, total = draw_counts("category", balance_by=("category",))
    assert counts["small"] / total == pytest.approx(0.5, abs=0.03)
    unbalanced, _ = draw_counts("category")
    assert unbalanced["small"] / total < 0.2


def test_weights_still_count_within_a_cluster():
    frame = training_rows(mixture())
    weights = balanced_weights(frame, ("category",))
    small = (frame["category"] == "small").to_numpy()
    assert weights.sum() == pytest.approx(1)
    assert weights[small].sum() == pytest.approx(0.5)
    ratio = weights[small] / frame["weight"].to_numpy()[small]
    np.testing.assert_allclose(ratio, ratio[0])


def test_rows_without_a_category_are_a_cluster_of_their_own():
    frame = mixture().with_columns(category=pl.when(pl.col("task") == "i2i").then("category"))
    frame = training_rows(frame)
    weights = balanced_weights(frame, ("category",))
    groups = frame["category"].fill_null("none").to_numpy()
    masses = [weights[groups == name].sum() for name in set(groups)]
    np.testing.assert_allclose(masses, 1 / len(masses))


def test_a_global_batch_repeats_a_row_only_where_it_must():
    source = sampler(batch_size=16)
    for step in range(50):
        ranks = [source.batch(step, rank) for rank in range(2)]
        if ranks[0]["bucket"][0] == ranks[1]["bucket"][0]:
            names = [*ranks[0]["sample_id"], *ranks[1]["sample_id"]]
            assert max(Counter(names).values()) <= 3  # a weight of 3 in 50 of 16 draws


def test_what_was_seen_is_what_the_ranks_drew():
    source = sampler()
    first = {}
    for step in range(7):
        for rank in range(2):
            for name in source.batch(step, rank)["sample_id"]:
                first.setdefault(name, step + 1)
    seen = source.first_seen(7)
    assert dict(seen.iter_rows()) == first
    assert seen["sample_id"].is_sorted()


def test_a_mixture_without_training_rows_says_what_to_look_at():
    with pytest.raises(EmptyMixtureError, match="20 rows"):
        sampler(mixture(rows=20))


def test_spread_rows_take_each_sample_once_and_templates_in_turn():
    rows = pl.concat([mixture(), mixture().with_columns(text_key=pl.col("text_key") + "x")])
    chosen = spread_rows(rows, 10, seed=0, purpose="test")
    assert chosen["sample_id"].n_unique() == 10
    assert Counter(chosen["template"]) == {"common": 5, "rare": 5}
    again = spread_rows(rows.reverse(), 10, seed=0, purpose="test")
    assert again.equals(chosen), "the order of the table must not matter"
    assert len(spread_rows(rows, 1000, seed=0, purpose="test")) == 120


def test_chunks_hold_one_bucket_each_and_lose_nothing():
    chunks = list(chunks_by_bucket(mixture(), 7))
    assert all(len(chunk) <= 7 and chunk["bucket"].n_unique() == 1 for chunk in chunks)
    assert sorted(name for chunk in chunks for name in chunk["sample_id"]) == sorted(mixture()["sample_id"])
