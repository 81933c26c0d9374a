"""What a run measures without a judge, besides the nearness to a truth: texts, and what was left alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.metrics.text.places import TextPlaces
from benchmarks.protocols.protocol import Measure


@dataclass(frozen=True)
class Unjudged:
    """Figures of one kind, ready to stand in a run.

    Attributes:
        rows: of `benchmarks.scoring.table.SCORES`.
        measures: of those rows, in the order of the page.
        notes: what a reader has to know of them, one sentence each.
        facts: what report.json holds besides, by a name of its own.
        places: where edits of text belong, by sample, as far as that was read.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    measures: Sequence[Measure] = ()
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, TextPlaces] = field(default_factory=dict)

    def scored(self) -> int:
        """Returns how many samples have a value of the first measure, over all models."""
        first = self.measures[0].name if self.measures else None
        return sum(bool(row["values"]) for row in self.rows if row["measure"] == first)


def joined(parts: Sequence[Unjudged]) -> Unjudged:
    """Returns several kinds as one, in their order."""
    facts: dict[str, Any] = {}
    for part in parts:
        facts |= part.facts
    return Unjudged(
        rows=[row for part in parts for row in part.rows],
        measures=[measure for part in parts for measure in part.measures],
        notes=[note for part in parts for note in part.notes],
        facts=facts,
    )
