"""Which rows a rank trains on at a step: a function of (seed, step, rank), so resuming is exact."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from models.common.seeding import numpy_generator

SEEN: Mapping[str, pl.DataType] = {"sample_id": pl.String(), "step": pl.Int64()}

ROW_ORDER = ("task", "category", "subcategory", "template", "sample_id", "text_key")


class EmptyMixtureError(ValueError):
    """A mixture has no row of the split that was asked for."""


class BucketSampler:
    """Draws batches of one bucket; at a step all ranks have as many references (report 3.2)."""

    def __init__(
        self,
        mixture: pl.DataFrame,
        *,
        batch_size: int,
        balance_by: Sequence[str],
        seed: int,
        world_size: int,
    ) -> None:
        """Keeps the training rows, and what each weighs after balancing.

        Raises:
            EmptyMixtureError: the mixture has no training row of positive weight.
        """
        self.rows = training_rows(mixture)
        self._batch_size, self._seed, self._world_size = batch_size, seed, world_size
        weights = balanced_weights(self.rows, balance_by)
        buckets = self.rows["bucket"].to_numpy()
        self._buckets = {
            name: _Bucket(np.flatnonzero(buckets == name), weights) for name in sorted(set(buckets))
        }
        self._classes: dict[str, list[str]] = {}
        for name in self._buckets:
            self._classes.setdefault(bucket_class(name), []).append(name)

    def batch(self, step: int, rank: int) -> pl.DataFrame:
        """Returns the `batch_size` rows of a rank at a step."""
        return self.rows[self._indices(step, rank)]

    def first_seen(self, steps: int) -> pl.DataFrame:
        """Returns the samples that the ranks draw in so many steps, with the first step of each (from 1)."""
        first: dict[str, int] = {}
        samples = self.rows["sample_id"].to_list()
        for step in range(steps):
            for rank in range(self._world_size):
                for index in self._indices(step, rank):
                    first.setdefault(samples[index], step + 1)
        seen = pl.DataFrame({"sample_id": list(first), "step": list(first.values())}, schema=dict(SEEN))
        return seen.sort("sample_id")

    def _indices(self, step: int, rank: int) -> list[int]:
        same_class = self._classes[self._draw(list(self._classes), "class", step)]
        name = self._draw(same_class, "bucket", step, rank)
        generator = numpy_generator(self._seed, "rows", step, name)
        drawn = self._buckets[name].draw(generator, self._batch_size * self._world_size)
        return drawn[rank :: self._world_size].tolist()

    def _draw(self, names: list[str], purpose: str, *keys: int) -> str:
        masses = np.array([self._mass(name) for name in names])
        generator = numpy_generator(self._seed, purpose, *keys)
        return names[int(generator.choice(len(names), p=masses / masses.sum()))]

    def _mass(self, name: str) -> float:
        names = self._classes.get(name, [name])
        return sum(self._buckets[bucket].mass for bucket in names)


def spread_rows(rows: pl.DataFrame, count: int, *, seed: int, purpose: str) -> pl.DataFrame:
    """Returns at most `count` rows, one a sample, as evenly over the templates as there are samples."""
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
    """Yields the rows in pieces of at most `size`, each of one bucket."""
    for name in sorted(set(rows["bucket"])):
        yield from rows.filter(pl.col("bucket") == name).iter_slices(size)


class _Bucket:
    def __init__(self, indices: np.ndarray, weights: np.ndarray) -> None:
        self._indices = indices
        cumulative = np.cumsum(weights[indices])
        self.mass = float(cumulative[-1])
        self._cumulative = cumulative / self.mass

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draws by weight, one row from each of `count` equal parts of the mass, so repeats are rare."""
        places = (np.arange(count) + generator.random(count)) / count
        drawn = self._indices[
            np.searchsorted(self._cumulative, places, side="right").clip(max=len(self._indices) - 1)
        ]
        return generator.permutation(drawn)


def training_rows(mixture: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows of the train split, similar rows beside each other, in an order of their own."""
    order = [name for name in ROW_ORDER if name in mixture.columns]
    rows = mixture.filter((pl.col("split") == "train") & (pl.col("weight") > 0)).sort(order)
    if rows.is_empty():
        raise EmptyMixtureError(
            f"The mixture has {len(mixture)} rows, but none of split `train` with a weight above 0. "
            "Look at the mixture's shares and at what the filters kept."
        )
    return rows


def balanced_weights(rows: pl.DataFrame, balance_by: Sequence[str]) -> np.ndarray:
    """Returns a weight for each row, 1 in sum: groups of equal `balance_by` values weigh the same."""
    if not balance_by:
        weights = rows["weight"]
    else:
        in_group = pl.col("weight") / pl.col("weight").sum().over(balance_by)
        weights = rows.select(in_group)["weight"]
    return (weights / weights.sum()).to_numpy()


def bucket_class(bucket: str) -> str:
    """Returns what ranks must have in common at a step, so that none waits: all of a bucket but its shape."""
    task, references, _, *rest = bucket.split("|")
    return "|".join([task, references, *rest])
