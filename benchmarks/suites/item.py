"""One test of a suite: what an editor gets, and the truth that its output is held against."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class BenchItem:
    """One edit with a known result. Pixels are (H, W, 3) uint8.

    Attributes:
        sample_id: names the item in outputs, scores and reports.
        kind: what figures are averaged over first: a template's name, a benchmark's task.
        category: the family of the kind, for reading the tables.
        instruction: what the editor is asked for.
        sources: reference pictures in the order in which the instruction counts them. The first is what
            "copying" means: handing the input back.
        truth: the right result, of the same size as the first source.
    """

    sample_id: str
    kind: str
    category: str
    instruction: str
    sources: tuple[np.ndarray, ...]
    truth: np.ndarray


class SuiteError(ValueError):
    """A suite cannot be scored as it is; the message names the item."""


def checked_suite(items: Iterable[BenchItem]) -> list[BenchItem]:
    """Returns the items by kind and sample id, so that no result depends on the order in which they came.

    Raises:
        SuiteError: no items, an id twice, or pixels that cannot be compared.
    """
    ordered = sorted(items, key=lambda item: (item.kind, item.sample_id))
    if not ordered:
        raise SuiteError("The suite is empty. Were any held-out samples kept by the filters?")
    twice = sorted(name for name, count in Counter(item.sample_id for item in ordered).items() if count > 1)
    if twice:
        raise SuiteError(f"These sample ids occur more than once: {', '.join(twice[:5])}.")
    for item in ordered:
        _check_pixels(item)
    return ordered


def first_of_each_kind(kinds: Mapping[str, str], samples_per_kind: int) -> list[str]:
    """Returns the ids of at most so many samples of each kind, sorted.

    Ids are content hashes, so the smallest ones are a random choice that never changes.

    Args:
        kinds: sample id to kind, of all that could be in the suite.
        samples_per_kind: how many to take of each.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for sample_id in sorted(kinds):
        if taken[kinds[sample_id]] < samples_per_kind:
            taken[kinds[sample_id]] += 1
            chosen.append(sample_id)
    return chosen


def _check_pixels(item: BenchItem) -> None:
    if not item.sources:
        raise SuiteError(f"{item.sample_id} ({item.kind}) has no source, so it is no edit.")
    for name, pixels in [("truth", item.truth), *((f"source {n}", p) for n, p in enumerate(item.sources))]:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            found = f"{pixels.dtype} {pixels.shape}"
            raise SuiteError(f"{item.sample_id}: {name} must be (H, W, 3) uint8, found {found}.")
    if item.sources[0].shape != item.truth.shape:
        raise SuiteError(
            f"{item.sample_id}: the first source is {item.sources[0].shape}, the truth {item.truth.shape}. "
            "They must be equal, or copying the source could not be scored."
        )
