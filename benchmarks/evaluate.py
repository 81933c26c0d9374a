"""A benchmark of any suite from outputs to report, without Dagster: judge, measure, average, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.judges.judge import Judge
from benchmarks.judges.replies import Replies
from benchmarks.metrics.auxiliary import Tools, measure_companions
from benchmarks.metrics.text.measure import TextMetric, measure_text
from benchmarks.protocols.protocol import Measure
from benchmarks.report.demand import demand_of, write_demand
from benchmarks.report.gallery import shelves
from benchmarks.report.references import published_references
from benchmarks.report.report import Run, equals, ranked, report_figures, write_report
from benchmarks.report.samples import SampleViews
from benchmarks.report.thumbnails import Thumbnails, decoding_workers
from benchmarks.scoring.auxiliary import Unjudged, joined
from benchmarks.scoring.judged import Session, judge_outputs, protocol_digest
from benchmarks.scoring.measured import MEASURES, against_truth, measure_outputs
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.table import MEASURED, score_table
from benchmarks.suites.item import SuiteError
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.suite import Suite
from models.common.progress import Progress

DEMANDED_PAIRS = 1000
"""Pairs that the demand file asks for in all, over the weak categories."""

UNUSED_SHOWN = 20


@dataclass(frozen=True)
class Settings:
    """What decides a run besides suite, outputs and judge.

    Attributes:
        repeats: how often each question is asked.
        parallel: items judged at once.
        seed: of the bootstrap.
        bootstraps: how many draws.
        text: what the text metric looks for; None leaves it out.
        companions: what looks at shift, zoom, faces and the rest of a picture; None leaves that out.
    """

    repeats: int = 1
    parallel: int = 8
    seed: int = 0
    bootstraps: int = 1000
    text: TextMetric | None = None
    companions: Tools | None = None


@dataclass(frozen=True)
class Result:
    """What came of a run: where the page is, its figures as in report.json, and who is best."""

    page: Path
    figures: Mapping[str, Any]
    table: pl.DataFrame
    champion: str


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

    The folder keeps replies.jsonl and thumbnails, so that a second run asks and decodes nothing again.

    Args:
        suite: items and protocol.
        outputs: by model, in reading order.
        judge: None measures only what needs no judge.
        folder: of this run.
        settings: repeats, seeds, parallelism.
        made_with: model to what decided its outputs, as far as known.
        progress: told what is done.

    Raises:
        SuiteError: there is no model.
        JudgeUnavailableError: the judge answers nothing; replies so far are kept.
    """
    if not outputs:
        raise SuiteError("There is nothing to score. Give --outputs or --editor.")
    files = len(suite.items) + sum(len(found.paths) for found in outputs.values())
    with decoding_workers(files) as workers:
        thumbnails = Thumbnails(folder / "thumbnails", workers)
        session = _session(suite, judge, folder, thumbnails, repeats=settings.repeats)
        replies = None if session is None else session.replies
        try:
            besides = _besides(suite, outputs, folder, settings=settings, progress=progress)
            scores, measures = _scored(
                suite, outputs, session or thumbnails, besides, parallel=settings.parallel, progress=progress
            )
            run = _run(suite, outputs, scores, measures, judge=judge, settings=settings, made_with=made_with)
            run = replace(run, notes=_notes(besides, run), extra={**run.extra, **joined(besides).facts})
            progress("write the report", 0, 1)
            page = write_report(
                folder,
                run,
                SampleViews(
                    items=suite.items,
                    outputs=outputs,
                    measures=measures,
                    scores=scores,
                    thumbnails=thumbnails,
                    replies=replies,
                    shelf_list=shelves(scores, measures[0], run.models),
                ),
            )
            progress("write the report", 1, 1)
        finally:
            if replies is not None:
                replies.close()
    write_demand(folder / "demand.json", run.extra["demand"])
    return Result(page, report_figures(run), run.figures, run.champion)


def _session(
    suite: Suite, judge: Judge | None, folder: Path, thumbnails: Thumbnails, *, repeats: int
) -> Session | None:
    if judge is None:
        return None
    assert suite.protocol is not None, f"{suite.name} has no questions"
    replies = Replies(folder / "replies.jsonl")
    return Session(
        suite=suite.name,
        protocol=suite.protocol,
        judge=judge,
        replies=replies,
        thumbnails=thumbnails,
        repeats=repeats,
    )


def _besides(
    suite: Suite, outputs: Mapping[str, Outputs], folder: Path, *, settings: Settings, progress: Progress
) -> tuple[Unjudged, Unjudged]:
    """Returns the text metric and the companions, empty where they are not asked for."""
    text = rest = Unjudged()
    if settings.text is not None:
        text = measure_text(suite.items, outputs, settings.text, folder=folder, progress=progress)
    if settings.companions is not None:
        rest = measure_companions(
            suite.items, outputs, settings.companions, folder=folder, progress=progress, places=text.places
        )
    return text, rest


def _scored(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    session: Session | Thumbnails,
    besides: tuple[Unjudged, Unjudged],
    *,
    parallel: int,
    progress: Progress,
) -> tuple[pl.DataFrame, Sequence[Measure]]:
    if isinstance(session, Thumbnails):
        rows = measure_outputs(suite.items, outputs, against_truth, MEASURES, thumbnails=session)
        text, rest = besides
        own = _first_is_told(rows)
        near = sum(row["measure"] == "psnr" and row["state"] == "ok" for row in rows)
        # Companions never lead: handing the source back is best at all of them.
        first = (*text.measures, *own) if text.scored() >= max(near, 1) else (*own, *text.measures)
        return score_table([*rows, *joined(besides).rows]), (*first, *rest.measures)
    scores = judge_outputs(suite, outputs, session, parallel=parallel, progress=progress)
    more = joined(besides)
    return pl.concat([scores, score_table(more.rows)]), (*session.protocol.measures, *more.measures)


def _notes(besides: tuple[Unjudged, Unjudged], run: Run) -> list[str]:
    notes = [note for note in (run.suite.whole(), *joined(besides).notes) if note]
    equal = equals(run.figures, run.measures[0], run.headline_view, run.models)
    if equal:
        sets = "; ".join(", ".join(models) for models in equal)
        notes.append(f"Equal in the first figure, and in the order in which they were given: {sets}.")
    if run.scores["cluster"].n_unique() == 1:
        notes.append(
            "All samples come from one source, so the bootstrap has nothing to draw: the intervals have no "
            "width, and say nothing of how the models do on other pictures."
        )
    return notes


def _first_is_told(rows: Sequence[Mapping[str, Any]]) -> Sequence[Measure]:
    """Returns the measures with the nearness to a truth first, where a truth is known."""
    told = {row["measure"] for row in rows if row["state"] == "ok"}
    return MEASURES[::-1] if "psnr" in told else MEASURES[:1]


def _run(
    suite: Suite,
    outputs: Mapping[str, Outputs],
    scores: pl.DataFrame,
    measures: Sequence[Measure],
    *,
    judge: Judge | None,
    settings: Settings,
    made_with: Mapping[str, Mapping[str, Any]],
) -> Run:
    figures, tasks = summarise(
        scores,
        measures,
        seed=settings.seed,
        bootstraps=settings.bootstraps,
        rejected=suite.rejected,
    )
    view = "official" if judge is not None else MEASURED
    order = ranked(figures, measures[0], view, [*outputs])
    return Run(
        title=suite.title,
        intro=f"{len(order)} model{'s' if len(order) > 1 else ''}, best first: {', '.join(order)}.",
        suite=suite,
        models=order,
        champion=order[0],
        measures=measures,
        scores=scores,
        figures=figures,
        tasks=tasks,
        references=published_references(suite),
        settings=made_with,
        judge=None if judge is None else judge.identity,
        problems=_output_problems(outputs),
        extra={
            "demand": demand_of(tasks, scores, measures[0], order[0], pairs=DEMANDED_PAIRS),
            "seed": settings.seed,
            "bootstraps": settings.bootstraps,
            "repeats": settings.repeats,
            "protocol_sha256": _words(suite) if judge else None,
        },
    )


def _words(suite: Suite) -> str:
    assert suite.protocol is not None
    return protocol_digest(suite.protocol, suite.items)


def _output_problems(outputs: Mapping[str, Outputs]) -> list[str]:
    """Returns what is odd about the files of the models; samples without an output are rows of their own."""
    told = []
    for model, found in outputs.items():
        told += [
            f"{model}, {sample_id}: {problem}"
            for sample_id, problem in found.problems.items()
            if sample_id in found.paths
        ]
        if found.unused:
            names = ", ".join(found.unused[:UNUSED_SHOWN])
            told.append(f"{model}: {len(found.unused)} files belong to no sample of the suite: {names}")
    return told
