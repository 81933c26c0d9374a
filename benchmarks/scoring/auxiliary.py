"""Auxiliary metrics of a run: those that need neither a judge nor a known truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.metrics.text.places import TextPlaces
from benchmarks.protocols.protocol import Metric


@dataclass(frozen=True)
class AuxiliaryMetrics:
    """Figures of one kind, ready to stand in a run.

    Attributes:
        rows: of `benchmarks.scoring.table.SCORES`.
        metrics: of those rows, in the order of the page.
        notes: what a reader of the report has to know, one sentence each.
        facts: further values for report.json, by name.
        places: by sample, where OCR found the text of the edit.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    metrics: Sequence[Metric] = ()
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, TextPlaces] = field(default_factory=dict)

    def scored(self) -> int:
        """Returns how many samples have a value of the first metric, over all models."""
        first = self.metrics[0].name if self.metrics else None
        return sum(bool(row["values"]) for row in self.rows if row["measure"] == first)


def merge_auxiliary(parts: Sequence[AuxiliaryMetrics]) -> AuxiliaryMetrics:
    """Returns several kinds as one, in their order."""
    facts: dict[str, Any] = {}
    for part in parts:
        facts |= part.facts
    return AuxiliaryMetrics(
        rows=[row for part in parts for row in part.rows],
        metrics=[metric for part in parts for metric in part.metrics],
        notes=[note for part in parts for note in part.notes],
        facts=facts,
    )
