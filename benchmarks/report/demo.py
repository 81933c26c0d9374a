"""The demo's benchmark: every editor over held-out edits whose truth is known, scored and reported."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.config import BenchConfig
from benchmarks.editors.run import ImageEditor, read_output, run_editors
from benchmarks.report.galleries import galleries, spread_over
from benchmarks.report.references import copying_references
from benchmarks.report.report import Run, write_report
from benchmarks.report.samples import SampleViews
from benchmarks.report.sheet import comparison_sheet
from benchmarks.scoring.figures import compute_figures
from benchmarks.scoring.known_truth import (
    METRICS,
    Codec,
    Evaluator,
    copying_scores,
    editor_figures,
    kind_figures,
    long_scores,
    score_against_truth,
)
from benchmarks.scoring.summary import summarise
from benchmarks.suites.item import BenchItem, known_truth
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.plain import write_plain
from benchmarks.suites.suite import Suite, made_suite
from benchmarks.suites.thumbnails import ThumbnailCache
from models.common.progress import Progress

INTRO = (
    "Held-out edits whose right result is known. Errors are mean squared differences from it in the codec's "
    "whitened latents; the champion has the lowest mean error over edit kinds, each kind counted once."
)
DEMANDED_PAIRS = 64
"""Pairs that the demand file asks for in all, over the weak categories."""


@dataclass(frozen=True)
class DemoReport:
    """The files of a report, and its headline."""

    page: Path
    figures: Path
    sheet: Path
    demand: Path
    champion: str
    challenger: str | None
    editors: Sequence[Mapping[str, Any]]


def run_benchmark(
    items: Iterable[BenchItem],
    editors: Mapping[str, ImageEditor],
    *,
    folder: Path,
    codec: Codec,
    evaluator: Evaluator | None,
    config: BenchConfig,
    progress: Progress,
) -> tuple[pl.DataFrame, DemoReport]:
    """Returns the scores of every sample and editor, and the written report.

    Outputs stay in `folder/outputs/<editor>/<sample_id>.png` and are not made again; the report is
    written to `folder/report`, the suite to `folder/suite`, where `emberline bench --suite plain` finds it.

    Args:
        items: the suite, in any order.
        editors: name to editor, in the order in which the report shows them; of equal editors the earlier one
            is champion.
        folder: of this benchmark alone.
        codec: of the models, see `score_against_truth`.
        evaluator: None where none is trained.
        config: size and seed.
        progress: called with what is done.

    Raises:
        SuiteError: an editor could not make all outputs, so that no figures can be compared.
    """
    suite = made_suite(Suite("demo", "The demo's held-out edits", "en", list(items), None))
    write_plain(folder / "suite", suite.items)
    outputs = run_editors(
        suite.items, editors, folder=folder / "outputs", batch=config.batch, progress=progress
    )
    scores = []
    for name, made in outputs.items():
        pixels = {sample_id: read_output(path) for sample_id, path in made.paths.items()}
        scores.append(score_against_truth(name, suite.items, pixels, codec=codec, evaluator=evaluator))
    table = pl.concat(scores)
    settings = {name: {**editor.settings, "batch": config.batch} for name, editor in editors.items()}
    return table, _report(folder, suite, outputs, table, settings=settings, config=config)


def _report(
    folder: Path,
    suite: Suite,
    outputs: Mapping[str, Outputs],
    table: pl.DataFrame,
    *,
    settings: Mapping[str, Mapping[str, object]],
    config: BenchConfig,
) -> DemoReport:
    models = [*outputs]
    figures = compute_figures(
        long_scores(suite.items, table), METRICS, models, seed=config.seed, demanded_pairs=DEMANDED_PAIRS
    )
    copying = summarise(copying_scores(suite.items, table), METRICS, seed=config.seed)
    kinds = kind_figures(figures.tasks, copying[1], models)
    editors = editor_figures(figures.figures, copying[0], kinds, models)
    champion, challenger = figures.champion, next(iter(figures.ranking[1:]), None)
    run = Run(
        title="Benchmark of the demo suite",
        intro=f"{INTRO} Champion: {champion}. Challenger: {challenger or 'none'}.",
        suite=suite,
        models=models,
        champion=champion,
        metrics=figures.metrics,
        scores=figures.scores,
        figures=figures.figures,
        tasks=figures.tasks,
        references=copying_references(*copying, METRICS[0]),
        settings=settings,
        extra={
            "champion": champion,
            "challenger": challenger,
            "editors": {row["editor"]: row for row in editors},
            "kinds": kinds,
            "demand": figures.demand,
        },
    )
    shown = _shown(table, champion, config.shown_per_kind)
    target = folder / "report"
    page = write_report(
        target,
        run,
        SampleViews(
            items=suite.items,
            outputs=outputs,
            metrics=METRICS,
            scores=run.scores,
            thumbnails=ThumbnailCache(folder / "thumbnails"),
            replies=None,
            galleries=galleries(run.scores, METRICS[0], [champion]),
            listed=[sample_id for ids in shown.values() for sample_id in ids],
        ),
    )
    (target / "sheet.jpg").write_bytes(_sheet(suite.items, outputs, shown))
    return DemoReport(
        page=page,
        figures=target / "report.json",
        sheet=target / "sheet.jpg",
        demand=target / "demand.json",
        champion=champion,
        challenger=challenger,
        editors=editors,
    )


def _shown(table: pl.DataFrame, champion: str, count: int) -> dict[str, list[str]]:
    own = table.filter(pl.col("editor") == champion)
    values = own.select("sample_id", pl.col("model_error").alias("value"))
    return spread_over(values, own.select("sample_id", pl.col("kind").alias("task")), count)


def _sheet(
    items: Iterable[BenchItem], outputs: Mapping[str, Outputs], shown: Mapping[str, list[str]]
) -> bytes:
    by_id = {item.sample_id: item for item in items}
    rows = []
    for kind, ids in shown.items():
        item = by_id[ids[len(ids) // 2]]  # the middle one, neither the best nor the worst
        made = [read_output(found.paths[item.sample_id]) for found in outputs.values()]
        rows.append((kind, [item.sources[0].pixels(), *made, known_truth(item)]))
    return comparison_sheet(["source", *outputs, "truth"], rows)
