"""The demo's benchmark from end to end: every editor over edits whose truth is known, scored and reported."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.config import BenchConfig
from benchmarks.editors.run import Editor, read_output, run_editor
from benchmarks.report.demand import demand_of, write_demand
from benchmarks.report.gallery import shelves, spread_over
from benchmarks.report.references import copying_references
from benchmarks.report.report import Run, ranked, write_report
from benchmarks.report.samples import SampleViews
from benchmarks.report.sheet import contact_sheet
from benchmarks.report.thumbnails import Thumbnails
from benchmarks.scoring.known_truth import (
    MEASURES,
    Codec,
    Evaluator,
    copying_scores,
    editor_figures,
    kind_figures,
    long_scores,
    score_outputs,
)
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.table import MEASURED
from benchmarks.suites.item import BenchItem, SuiteError, known_truth
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.plain import write_plain
from benchmarks.suites.suite import Suite, made_suite
from models.common.progress import Progress

INTRO = (
    "Held-out edits whose right result is known. Errors are mean squared differences from it in the codec's "
    "whitened latents; the champion has the lowest mean error over edit kinds, each kind counted once."
)
DEMANDED_PAIRS = 64
"""Pairs that the demand file asks for in all, over the weak categories."""


@dataclass(frozen=True)
class Report:
    """Where a report lies, and its headline."""

    page: Path
    figures: Path
    sheet: Path
    demand: Path
    champion: str
    challenger: str | None
    editors: Sequence[Mapping[str, Any]]


def run_benchmark(
    items: Iterable[BenchItem],
    editors: Mapping[str, Editor],
    *,
    folder: Path,
    codec: Codec,
    evaluator: Evaluator | None,
    config: BenchConfig,
    progress: Progress,
) -> tuple[pl.DataFrame, Report]:
    """Returns the scores of every sample and editor, and the written report.

    Outputs stay in `folder/outputs/<editor>/<sample_id>.png` and are not made again; the report is
    written to `folder/report`, the suite to `folder/suite`, where `emberline bench --suite plain` finds it.

    Args:
        items: the suite, in any order.
        editors: name to editor, in the order in which the report shows them; of equal editors the earlier one
            is champion.
        folder: of this benchmark alone.
        codec: of the models, see `score_outputs`.
        evaluator: None where none is trained.
        config: size and seed.
        progress: called with what is done.

    Raises:
        SuiteError: an editor could not make all outputs, so that no figures can be compared.
    """
    suite = made_suite(Suite("demo", "The demo's held-out edits", "en", list(items), None))
    write_plain(folder / "suite", suite.items)
    outputs, scores, settings = {}, [], {}
    for name, editor in editors.items():
        place = folder / "outputs" / name
        outputs[name] = run_editor(suite.items, editor, folder=place, batch=config.batch, progress=progress)
        _check_whole(name, outputs[name])
        settings[name] = {**editor.settings, "batch": config.batch}
        pixels = {sample_id: read_output(path) for sample_id, path in outputs[name].paths.items()}
        scores.append(score_outputs(name, suite.items, pixels, codec=codec, evaluator=evaluator))
    table = pl.concat(scores)
    return table, _report(folder, suite, outputs, table, settings=settings, config=config)


def _check_whole(editor: str, outputs: Outputs) -> None:
    if outputs.problems:
        sample_id, problem = next(iter(outputs.problems.items()))
        raise SuiteError(
            f"{editor} made no output for {len(outputs.problems)} samples. The first, {sample_id}: {problem}"
        )


def _report(
    folder: Path,
    suite: Suite,
    outputs: Mapping[str, Outputs],
    table: pl.DataFrame,
    *,
    settings: Mapping[str, Mapping[str, object]],
    config: BenchConfig,
) -> Report:
    scores = long_scores(suite.items, table)
    figures, tasks = summarise(scores, MEASURES, seed=config.seed)
    copying = summarise(copying_scores(suite.items, table), MEASURES, seed=config.seed)
    kinds = kind_figures(tasks, copying[1], [*outputs])
    editors = editor_figures(figures, copying[0], kinds, [*outputs])
    order = ranked(figures, MEASURES[0], MEASURED, [*outputs])
    champion, challenger = order[0], order[1] if len(order) > 1 else None
    demand = demand_of(tasks, scores, MEASURES[0], champion, pairs=DEMANDED_PAIRS)
    run = Run(
        title="Benchmark of the demo suite",
        intro=f"{INTRO} Champion: {champion}. Challenger: {challenger or 'none'}.",
        suite=suite,
        models=[*outputs],
        champion=champion,
        measures=MEASURES,
        scores=scores,
        figures=figures,
        tasks=tasks,
        references=copying_references(*copying, MEASURES[0]),
        settings=settings,
        extra={
            "champion": champion,
            "challenger": challenger,
            "editors": {row["editor"]: row for row in editors},
            "kinds": kinds,
            "demand": demand,
        },
    )
    shown = _shown(table, champion, config.shown_per_kind)
    place = folder / "report"
    page = write_report(
        place,
        run,
        SampleViews(
            items=suite.items,
            outputs=outputs,
            measures=MEASURES,
            scores=scores,
            thumbnails=Thumbnails(folder / "thumbnails"),
            replies=None,
            shelf_list=shelves(scores, MEASURES[0], [champion]),
            listed=[sample_id for ids in shown.values() for sample_id in ids],
        ),
    )
    (place / "sheet.jpg").write_bytes(_sheet(suite.items, outputs, shown))
    write_demand(place / "demand.json", demand)
    return Report(
        page=page,
        figures=place / "report.json",
        sheet=place / "sheet.jpg",
        demand=place / "demand.json",
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
    return contact_sheet(["source", *outputs, "truth"], rows)
