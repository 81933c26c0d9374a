"""How long work says where it stands: one callable, passed down, that a console or a log listens to."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

Item = TypeVar("Item")


def silent(what: str, done: int, total: int) -> None:
    """Reports nothing; for notebooks and tests."""


def tracked(items: Iterable[Item], total: int, what: str, progress: Progress) -> Iterator[Item]:
    """Yields the items, reporting before the first and after each."""
    progress(what, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        progress(what, done, total)
