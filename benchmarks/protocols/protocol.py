"""What a benchmark asks a judge, and how replies become metrics, as data."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.parsing.reading import Reading
from benchmarks.scoring.aggregate import RULES, AveragingRule
from benchmarks.suites.item import BenchItem, SuiteError
from models.vlm.messages import ImageRole, Question

View = Literal["official", "strict"]
VIEWS: tuple[View, View] = ("official", "strict")
"""The scoring modes of every figure: as the benchmark's own script computes it, and as it should be."""

FIELD = re.compile(r"\{\{|\}\}|\{(?P<name>\w+)\}")
"""A field of a prompt template, or an escaped brace."""


def source_roles(item: BenchItem) -> tuple[ImageRole, ...]:
    """Returns the roles of an item's sources, in their order."""
    return ("source", *(f"source{number}" for number in range(2, len(item.sources) + 1)))


@dataclass(frozen=True)
class Metric:
    """One figure of a benchmark.

    Attributes:
        name: column of the tables.
        title: of the figure on a page.
        worst: what each score of a missing sample counts in `missing_as_worst`; None: not computed.
        best: the other end of the scale.
        official: how the benchmark averages it.
        strict: how it should be averaged: the same without intermediate rounding.
        decimals: shown on a page.
    """

    name: str
    title: str
    worst: float | None
    best: float | None
    official: AveragingRule
    strict: AveragingRule = RULES["strict"]
    decimals: int = 2

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better; without a worst value, lower ones are."""
        return self.worst is not None and (self.best is None or self.best > self.worst)

    def rule(self, view: str) -> AveragingRule:
        """Returns how it is averaged in one scoring mode."""
        return self.official if view == "official" else self.strict


Reader = Callable[[Question, str, int], Reading]
"""Parses (question, reply, attempt); the first attempt is 1."""

Combine = Callable[[BenchItem, Mapping[str, Reading], View], Mapping[str, Reading]]
"""Converts readings by question to readings by metric, without metrics that do not apply to the item."""


@dataclass(frozen=True)
class Protocol:
    """How a suite is judged.

    Attributes:
        name: for the report.
        official: whether the prompts are the benchmark's own; otherwise they are ours, for its dimensions.
        questions: what is asked about an item.
        read: the reader of each scoring mode.
        combine: converts readings by question to readings by metric.
        metrics: the first one is the headline.
        parameters: of the judge, as the benchmark sets them: temperature, top_p, max_tokens, seed.
        attempts: how often an item is asked about at most, until the official script finds scores.
    """

    name: str
    official: bool
    questions: Callable[[BenchItem], tuple[Question, ...]]
    read: Mapping[View, Reader]
    combine: Combine
    metrics: tuple[Metric, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Returns the template filled as by Python's `str.format`, but only fields that are plain names.

    Raises:
        SuiteError: the template asks for something that the item does not have.
    """

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match.group()[0]
        if name not in values:
            raise SuiteError(f"A prompt asks for {{{name}}}; an item has {', '.join(values)}.")
        return values[name]

    return FIELD.sub(value, template)
