"""What a benchmark asks a judge, how pictures travel to it, and what its replies amount to: all as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.parsing.reading import Reading
from benchmarks.scoring.aggregate import RULES, Rule
from benchmarks.suites.item import BenchItem

View = Literal["official", "strict"]
VIEWS: tuple[View, View] = ("official", "strict")
"""Of every figure: as the benchmark's own script computes it, and as it should be."""

Role = str
"""`source` for the first one, `source2` and so on for the others, `output`, `reference` for a known truth."""


def source_roles(item: BenchItem) -> tuple[Role, ...]:
    """Returns the roles of an item's sources, in their order."""
    return ("source", *(f"source{number}" for number in range(2, len(item.sources) + 1)))


@dataclass(frozen=True)
class Transport:
    """How a picture travels.

    Attributes:
        format: `file` sends the bytes as they came, the others encode anew.
        quality: of JPEG.
        longest_side: larger pictures are shrunk to it, in pixels.
        like_source: the picture is first resized to the size of the source, whatever its own shape.
    """

    format: Literal["file", "png", "jpeg"]
    quality: int = 75
    longest_side: int | None = None
    like_source: bool = False


@dataclass(frozen=True)
class Say:
    """Words in a question."""

    text: str


@dataclass(frozen=True)
class Show:
    """A picture in a question."""

    role: Role
    transport: Transport


@dataclass(frozen=True)
class Question:
    """One request to a judge.

    Attributes:
        name: among the questions of an item.
        parts: in the order in which the judge gets them, as one turn of the user.
        labels: what the scores of a reply are called.
        system: instructions before the turn, empty where there are none.
    """

    name: str
    parts: tuple[Say | Show, ...]
    labels: tuple[str, ...]
    system: str = ""

    def roles(self) -> tuple[Role, ...]:
        """Returns the roles of its pictures, in order."""
        return tuple(part.role for part in self.parts if isinstance(part, Show))

    def depends_on(self) -> tuple[Role, ...]:
        """Returns the roles of all pictures that decide what the judge sees: one may only give a size."""
        sized = any(isinstance(part, Show) and part.transport.like_source for part in self.parts)
        return (*self.roles(), "source") if sized else self.roles()


@dataclass(frozen=True)
class Measure:
    """One figure of a benchmark.

    Attributes:
        name: column of the tables.
        title: of the figure on a page.
        worst: what a missing sample counts in the view that refusing cannot win, for each of its scores.
        best: the other end of the scale.
        official: how the benchmark averages it.
        strict: how it should be averaged: the same, without rounding on the way.
        decimals: shown on a page.
    """

    name: str
    title: str
    worst: float | None
    best: float | None
    official: Rule
    strict: Rule = RULES["strict"]
    decimals: int = 2

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is the better one; without a worst value, the best one is the lowest."""
        return self.worst is not None and (self.best is None or self.best > self.worst)

    def rule(self, view: str) -> Rule:
        """Returns how it is averaged in one view."""
        return self.official if view == "official" else self.strict


Reader = Callable[[Question, str, int], Reading]
"""Reads (question, reply, attempt); the first attempt is 1."""

Combine = Callable[[BenchItem, Mapping[str, Reading], View], Mapping[str, Reading]]
"""Makes readings by measure of readings by question. A measure that does not apply to an item is left out."""


@dataclass(frozen=True)
class Protocol:
    """How a suite is judged.

    Attributes:
        name: for the report.
        official: whether the prompts are the benchmark's own; otherwise they are ours, for its dimensions.
        questions: what is asked about an item.
        read: the reader of each view.
        combine: makes measures of what was read.
        measures: the first one is the headline.
        parameters: of the judge, as the benchmark sets them: temperature, top_p, max_tokens, seed.
        attempts: how often all questions of an item are asked while the official script finds no scores.
    """

    name: str
    official: bool
    questions: Callable[[BenchItem], tuple[Question, ...]]
    read: Mapping[View, Reader]
    combine: Combine
    measures: tuple[Measure, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1
