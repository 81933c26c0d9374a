"""Progress reporting: a callable that is passed to long-running functions."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[str, int, int], None]
"""Called with the name of the work, the number of finished items, and the total."""

Item = TypeVar("Item")


def silent(what: str, done: int, total: int) -> None:
    """Reports nothing; for notebooks and tests."""


def tracked(items: Iterable[Item], total: int, what: str, progress: Progress) -> Iterator[Item]:
    """Yields the items and reports progress before the first one and after each."""
    progress(what, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        progress(what, done, total)
