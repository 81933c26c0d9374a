"""The scores of outputs: from a judge's replies, or measured without a judge, and auxiliary metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from benchmarks.editors.copy_source import copied_sources
from benchmarks.metrics.auxiliary import AuxiliaryTools, measure_auxiliary
from benchmarks.metrics.text.metric import TextMetric, measure_text
from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.auxiliary import AuxiliaryMetrics, merge_auxiliary
from benchmarks.scoring.judge_outputs import Session, judge_outputs
from benchmarks.scoring.measure_outputs import METRICS, PRESENT, against_truth, measure_outputs
from benchmarks.scoring.table import COPYING, score_table
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.suite import Suite
from benchmarks.suites.thumbnails import ThumbnailCache
from models.common.progress import Progress


@dataclass(frozen=True)
class Settings:
    """What decides a run besides suite, outputs and judge.

    Attributes:
        repeats: how often each question is asked.
        parallel: number of items judged at once.
        seed: of the bootstrap.
        bootstraps: number of draws.
        text: what the text metric looks for; None leaves it out.
        auxiliary: tools that measure shift, zoom, faces and the image outside the edit; None: not measured.
    """

    repeats: int = 1
    parallel: int = 8
    seed: int = 0
    bootstraps: int = 1000
    text: TextMetric | None = None
    auxiliary: AuxiliaryTools | None = None


@dataclass(frozen=True)
class ScoreSet:
    """The scores of a run.

    Attributes:
        scores: rows of `benchmarks.scoring.table.SCORES`.
        metrics: of these rows, in the order of the report; the first one is the headline.
        notes: what a reader of the report has to know, one sentence each.
        facts: further values for report.json.
        copying: rows of the same for the unedited sources, as far as no judge is needed.
    """

    scores: pl.DataFrame
    metrics: Sequence[Metric]
    notes: Sequence[str]
    facts: Mapping[str, Any]
    copying: pl.DataFrame


def score_outputs(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    source: Session | ThumbnailCache,
    *,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> ScoreSet:
    """Returns the scores of all outputs.

    Args:
        suite: items and protocol.
        outputs: by model.
        source: the session of a judge; without a judge, the thumbnails of the run.
        folder: of the run.
        settings: repeats, parallelism, and which auxiliary metrics are measured.
        progress: called with what is done.

    Raises:
        ClientUnavailableError: the judge cannot answer any question; replies so far are kept.
    """
    rows, metrics, both = _measured(suite, outputs, source, folder, settings=settings, progress=progress)
    measured = score_table(rows)
    copying = measured.filter((pl.col("model") == COPYING) & (pl.col("measure") != PRESENT.name))
    scores = measured.filter(pl.col("model") != COPYING)
    if isinstance(source, Session):
        judged = judge_outputs(suite, outputs, source, parallel=settings.parallel, progress=progress)
        scores, metrics = pl.concat([judged, scores]), (*source.protocol.metrics, *metrics)
    return ScoreSet(scores, metrics, both.notes, both.facts, copying)


def _measured(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    source: Session | ThumbnailCache,
    folder: Path,
    *,
    settings: Settings,
    progress: Progress,
) -> tuple[Sequence[Mapping[str, Any]], Sequence[Metric], AuxiliaryMetrics]:
    """Returns rows and metrics of models and copy baseline that need no judge, and the auxiliary metrics."""
    if isinstance(source, Session) and settings.text is None and settings.auxiliary is None:
        return [], (), AuxiliaryMetrics()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".copies-", dir=folder) as copies:
        models = {**outputs, COPYING: copied_sources(suite.items, Path(copies))}
        text, rest = _auxiliary(suite, models, folder, settings=settings, progress=progress)
        both = merge_auxiliary((text, rest))
        if isinstance(source, Session):
            return both.rows, both.metrics, both
        own = measure_outputs(suite.items, models, against_truth, METRICS, thumbnails=source)
    return [*own, *both.rows], (*_headline_first(own, text), *rest.metrics), both


def _auxiliary(
    suite: Suite, outputs: Mapping[str, Outputs], folder: Path, *, settings: Settings, progress: Progress
) -> tuple[AuxiliaryMetrics, AuxiliaryMetrics]:
    """Returns the text metric and the other auxiliary metrics, empty if they are not asked for."""
    text = rest = AuxiliaryMetrics()
    if settings.text is not None:
        text = measure_text(suite.items, outputs, settings.text, folder=folder, progress=progress)
    if settings.auxiliary is not None:
        rest = measure_auxiliary(
            suite.items, outputs, settings.auxiliary, folder=folder, progress=progress, places=text.places
        )
    return text, rest


def _headline_first(rows: Sequence[Mapping[str, Any]], text: AuxiliaryMetrics) -> Sequence[Metric]:
    """Returns the text metric and those of a known truth, the one that has more scored samples first.

    The other auxiliary metrics never lead, because handing the source back is best at all of them.
    """
    near = sum(row["measure"] == "psnr" and row["state"] == "ok" for row in rows)
    own = METRICS[::-1] if near else METRICS[:1]
    return (*text.metrics, *own) if text.scored() >= max(near, 1) else (*own, *text.metrics)
