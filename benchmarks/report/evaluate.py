"""From the outputs of some models over any suite to a report: judge or measure, compute figures, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.editors.copy_source import CopyEditor
from benchmarks.judges.judge import Judge
from benchmarks.report.galleries import galleries
from benchmarks.report.references import (
    Reference,
    References,
    comparable,
    copying_references,
    joined_references,
    published_references,
)
from benchmarks.report.report import Run, report_figures, write_report
from benchmarks.report.samples import SampleViews
from benchmarks.scoring.figures import Figures, compute_figures, headline_view, tied_models, why_unscored
from benchmarks.scoring.judge_outputs import Session, protocol_digest
from benchmarks.scoring.score_outputs import ScoreSet, Settings, score_outputs
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.table import COPYING
from benchmarks.suites.item import SuiteError
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.suite import Suite
from benchmarks.suites.thumbnails import ThumbnailCache, decoding_workers
from models.common.progress import Progress
from models.vlm.replies import Replies

DEMANDED_PAIRS = 1000
"""Pairs that the demand file asks for in all, over the weak categories."""

UNUSED_SHOWN = 20
"""Files without a sample that a problem names; it counts the others."""


@dataclass(frozen=True)
class Result:
    """The page of a run, its figures as in report.json, the table of figures, and the best model.

    Attributes:
        unscored: why no sample of any model was scored; None where one was.
    """

    page: Path
    figures: Mapping[str, Any]
    table: pl.DataFrame
    champion: str
    unscored: str | None


def evaluate(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    *,
    judge: Judge | None,
    folder: Path,
    settings: Settings,
    made_with: Mapping[str, Mapping[str, Any]],
    progress: Progress,
) -> Result:
    """Returns the figures of some models over a suite, and writes the report into a folder.

    The folder keeps replies.jsonl and thumbnails, so that a second run asks no question and decodes no image
    again.

    Args:
        suite: items and protocol.
        outputs: by model, in the order of the report.
        judge: None measures only what needs no judge.
        folder: of this run.
        settings: repeats, seeds, parallelism.
        made_with: model to the settings that decided its outputs, as far as they are known.
        progress: called with what is done.

    Raises:
        SuiteError: there is no model.
        ClientUnavailableError: the judge cannot answer any question; replies so far are kept.
    """
    if not outputs:
        raise SuiteError("There is nothing to score. Give --outputs or --editor.")
    files = len(suite.items) + sum(len(found.paths) for found in outputs.values())
    with decoding_workers(files) as workers:
        thumbnails = ThumbnailCache(folder / "thumbnails", workers)
        session = None if judge is None else _session(suite, judge, folder, thumbnails, settings.repeats)
        replies = None if session is None else session.replies
        try:
            scored = score_outputs(
                suite, outputs, session or thumbnails, folder=folder, settings=settings, progress=progress
            )
            figures = compute_figures(
                scored.scores,
                scored.metrics,
                [*outputs],
                seed=settings.seed,
                demanded_pairs=DEMANDED_PAIRS,
                bootstraps=settings.bootstraps,
                rejected=suite.rejected,
            )
            run = _run(suite, outputs, figures, scored, judge=judge, settings=settings, made_with=made_with)
            progress("write the report", 0, 1)
            page = write_report(
                folder,
                run,
                SampleViews(
                    items=suite.items,
                    outputs=outputs,
                    metrics=run.metrics,
                    scores=run.scores,
                    thumbnails=thumbnails,
                    replies=replies,
                    galleries=galleries(run.scores, run.metrics[0], run.models),
                ),
            )
            progress("write the report", 1, 1)
        finally:
            if replies is not None:
                replies.close()
    return Result(page, report_figures(run), run.figures, run.champion, why_unscored(figures))


def _session(suite: Suite, judge: Judge, folder: Path, thumbnails: ThumbnailCache, repeats: int) -> Session:
    assert suite.protocol is not None, f"{suite.name} has no questions"
    return Session(
        suite=suite.name,
        protocol=suite.protocol,
        judge=judge,
        replies=Replies(folder / "replies.jsonl"),
        thumbnails=thumbnails,
        repeats=repeats,
    )


def _run(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    figures: Figures,
    scored: ScoreSet,
    *,
    judge: Judge | None,
    settings: Settings,
    made_with: Mapping[str, Mapping[str, Any]],
) -> Run:
    ranking = figures.ranking
    return Run(
        title=suite.title,
        intro=f"{len(ranking)} model{'s' if len(ranking) > 1 else ''}, best first: {', '.join(ranking)}.",
        suite=suite,
        models=ranking,
        champion=figures.champion,
        metrics=figures.metrics,
        scores=figures.scores,
        figures=figures.figures,
        tasks=figures.tasks,
        references=joined_references(
            _unjudged_copy(judge, made_with), _references(suite, figures, scored, settings)
        ),
        settings=made_with,
        judge=None if judge is None else judge.identity,
        problems=_output_problems(outputs),
        notes=_notes(suite, figures, scored.notes),
        extra={
            "demand": figures.demand,
            "seed": settings.seed,
            "bootstraps": settings.bootstraps,
            "repeats": settings.repeats,
            "protocol_sha256": _protocol_digest(suite) if judge else None,
            **scored.facts,
        },
    )


def _unjudged_copy(judge: Judge | None, made_with: Mapping[str, Mapping[str, Any]]) -> References:
    """Returns a row without figures for the copy baseline of a judged run that does not have it judged."""
    if judge is None or CopyEditor.settings in made_with.values():
        return References("", "")
    note = "The judge was not asked about the unedited source. Add --editor copy to have it judged."
    return References("this run", note, (Reference(COPYING, {}, {}),))


def _references(suite: Suite, figures: Figures, scored: ScoreSet, settings: Settings) -> References:
    """Returns the copy baseline, and the published rows that have a figure of the run."""
    copying = summarise(scored.copying, scored.metrics, seed=settings.seed, bootstraps=1)
    published = comparable(published_references(suite), set(figures.figures["measure"]))
    return joined_references(copying_references(*copying, scored.metrics[0]), published)


def _notes(suite: Suite, figures: Figures, notes: Sequence[str]) -> list[str]:
    shown = [note for note in (suite.whole(), *notes) if note]
    view = headline_view(figures.figures)
    ties = tied_models(figures.figures, figures.metrics[0], view, figures.ranking)
    if ties:
        sets = "; ".join(", ".join(models) for models in ties)
        shown.append(f"Equal in the first figure, and in the order in which they were given: {sets}.")
    if figures.scores["cluster"].n_unique() == 1:
        shown.append(
            "All samples come from one source, so the bootstrap has nothing to draw: the intervals have no "
            "width, and say nothing about other images."
        )
    return shown


def _protocol_digest(suite: Suite) -> str:
    assert suite.protocol is not None
    return protocol_digest(suite.protocol, suite.items)


def _output_problems(outputs: Mapping[str, Outputs]) -> list[str]:
    """Returns what is odd about the files of the models; samples without an output have rows of their own."""
    problems = []
    for model, found in outputs.items():
        problems += [
            f"{model}, {sample_id}: {problem}"
            for sample_id, problem in found.problems.items()
            if sample_id in found.paths
        ]
        if found.unused:
            names = ", ".join(found.unused[:UNUSED_SHOWN])
            problems.append(f"{model}: {len(found.unused)} files belong to no sample of the suite: {names}")
    return problems
