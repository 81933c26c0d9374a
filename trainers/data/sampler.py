"""Chooses the rows of each step and rank, as a function of (seed, step, rank), so that resuming is exact."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from models.common.seeding import numpy_generator

SEEN: Mapping[str, pl.DataType] = {"sample_id": pl.String(), "step": pl.Int64()}

ROW_ORDER = ("task", "category", "subcategory", "template", "sample_id", "text_key")


class EmptyMixtureError(ValueError):
    """A mixture has no usable row of a split."""


class UnevenBatchError(ValueError):
    """The global batch is not a multiple of the number of ranks.

    Attributes:
        batch_size: rows of one step over all ranks.
        world_size: number of ranks.
    """

    def __init__(self, batch_size: int, world_size: int) -> None:
        self.batch_size, self.world_size = batch_size, world_size
        super().__init__(
            f"batch_size {batch_size} cannot be divided among {world_size} ranks. Write a multiple of "
            f"{world_size}, or use another number of ranks."
        )


class BucketSampler:
    """Draws batches of one bucket. At each step all ranks use the same number of references (report 3.2)."""

    def __init__(
        self,
        mixture: pl.DataFrame,
        *,
        batch_size: int,
        balance_by: Sequence[str],
        seed: int,
        world_size: int,
    ) -> None:
        """Selects the training rows and computes their weights after balancing.

        Args:
            mixture: rows of the MIXTURE schema.
            batch_size: rows of one step over all ranks, a multiple of `world_size`.
            balance_by: columns whose groups are drawn equally often.
            seed: seed of all draws.
            world_size: number of ranks.

        Raises:
            EmptyMixtureError: the mixture has no training row of positive weight.
            UnevenBatchError: the batch is not a multiple of the number of ranks.
        """
        if batch_size % world_size:
            raise UnevenBatchError(batch_size, world_size)
        self.rows = training_rows(mixture)
        self._batch_size, self._seed, self._world_size = batch_size, seed, world_size
        weights = balanced_weights(self.rows, balance_by)
        buckets = self.rows["bucket"].to_numpy()
        self._buckets = {
            name: _WeightedRows(np.flatnonzero(buckets == name), weights) for name in sorted(set(buckets))
        }
        self._classes: dict[str, list[str]] = {}
        for name in self._buckets:
            self._classes.setdefault(bucket_class(name), []).append(name)

    def batch(self, step: int, rank: int) -> pl.DataFrame:
        """Returns a rank's share of the rows of a step, `batch_size / world_size` of them."""
        return self.rows[self._indices(step, rank)]

    def first_seen(self, steps: int) -> pl.DataFrame:
        """Returns the samples that all ranks draw in `steps` steps, with the first step of each (from 1)."""
        first: dict[str, int] = {}
        samples = self.rows["sample_id"].to_list()
        for step in range(steps):
            for rank in range(self._world_size):
                for index in self._indices(step, rank):
                    first.setdefault(samples[index], step + 1)
        seen = pl.DataFrame({"sample_id": list(first), "step": list(first.values())}, schema=dict(SEEN))
        return seen.sort("sample_id")

    def _indices(self, step: int, rank: int) -> list[int]:
        # The class is drawn for all ranks and the bucket for each rank: with different numbers of references,
        # ranks would need different times and wait for each other.
        same_class = self._classes[self._draw(list(self._classes), "class", step)]
        name = self._draw(same_class, "bucket", step, rank)
        generator = numpy_generator(self._seed, "rows", step, name)
        drawn = self._buckets[name].draw(generator, self._batch_size)
        return drawn[rank :: self._world_size].tolist()

    def _draw(self, names: list[str], purpose: str, *keys: int) -> str:
        masses = np.array([self._mass(name) for name in names])
        generator = numpy_generator(self._seed, purpose, *keys)
        return names[int(generator.choice(len(names), p=masses / masses.sum()))]

    def _mass(self, name: str) -> float:
        names = self._classes.get(name, [name])
        return sum(self._buckets[bucket].mass for bucket in names)


def spread_rows(rows: pl.DataFrame, count: int, *, seed: int, purpose: str) -> pl.DataFrame:
    """Returns at most `count` rows, one per sample, spread over the templates as evenly as possible."""
    by_sample = rows.sort("sample_id", "text_key")
    order = numpy_generator(seed, purpose).permutation(len(by_sample))
    shuffled = by_sample[order.tolist()].unique("sample_id", keep="first", maintain_order=True)
    turn = pl.int_range(pl.len()).over("template")
    return (
        shuffled.with_columns(turn=turn)
        .sort("turn", "template", maintain_order=True)
        .head(count)
        .drop("turn")
    )


def chunks_by_bucket(rows: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Yields the rows in chunks of at most `size` rows, each from one bucket."""
    for name in sorted(set(rows["bucket"])):
        yield from rows.filter(pl.col("bucket") == name).iter_slices(size)


class _WeightedRows:
    """The rows of one bucket, drawn by their weights. `mass` is the sum of the weights."""

    def __init__(self, indices: np.ndarray, weights: np.ndarray) -> None:
        self._indices = indices
        cumulative = np.cumsum(weights[indices])
        self.mass = float(cumulative[-1])
        self._cumulative = cumulative / self.mass

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Returns `count` rows drawn by weight, one from each of `count` equal parts of the mass.

        Compared with independent draws, rows repeat less often in a batch.
        """
        positions = (np.arange(count) + generator.random(count)) / count
        drawn = self._indices[
            np.searchsorted(self._cumulative, positions, side="right").clip(max=len(self._indices) - 1)
        ]
        return generator.permutation(drawn)


def training_rows(mixture: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows of the train split with a positive weight; similar rows are neighbors."""
    # Draws are stratified over this order, so a batch covers tasks, categories and templates evenly.
    order = [name for name in ROW_ORDER if name in mixture.columns]
    rows = mixture.filter((pl.col("split") == "train") & (pl.col("weight") > 0)).sort(order)
    if rows.is_empty():
        raise EmptyMixtureError(
            f"The mixture has {len(mixture)} rows, but none of the split `train` has a weight above 0. "
            "Check the shares of the mixture, and which samples the filters kept."
        )
    return rows


def balanced_weights(rows: pl.DataFrame, balance_by: Sequence[str]) -> np.ndarray:
    """Returns row weights that sum to 1, with equal sums for all groups of equal `balance_by` values."""
    if not balance_by:
        weights = rows["weight"]
    else:
        in_group = pl.col("weight") / pl.col("weight").sum().over(balance_by)
        weights = rows.select(in_group)["weight"]
    return (weights / weights.sum()).to_numpy()


def bucket_class(bucket: str) -> str:
    """Returns the part of a bucket key that all ranks share at a step: everything except the shape."""
    task, references, _, *rest = bucket.split("|")
    return "|".join([task, references, *rest])
