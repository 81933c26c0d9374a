"""A benchmark from end to end: every editor over one suite, scored, ranked and reported."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from benchmarks.config import BenchConfig
from benchmarks.report import Report, write_report
from benchmarks.runner import Editor, Progress, read_output, run_editor
from benchmarks.scoring import Codec, Evaluator, score_outputs
from benchmarks.suites.item import BenchItem, checked_suite


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
    written to `folder/report`.

    Args:
        items: the suite, in any order.
        editors: name to editor, in the order in which the report shows them; of equal editors the earlier one
            is champion.
        folder: of this benchmark alone.
        codec: of the models, see `score_outputs`.
        evaluator: None where none is trained.
        config: size and seed.
        progress: called with what is done.
    """
    suite = checked_suite(items)
    outputs, scores, settings = {}, [], {}
    for name, editor in editors.items():
        place = folder / "outputs" / name
        outputs[name] = run_editor(suite, editor, folder=place, batch=config.batch, progress=progress)
        settings[name] = {**editor.settings, "batch": config.batch}
        pixels = {sample_id: read_output(path) for sample_id, path in outputs[name].items()}
        scores.append(score_outputs(name, suite, pixels, codec=codec, evaluator=evaluator))
    table = pl.concat(scores)
    report = write_report(
        folder / "report",
        title="Benchmark of the demo suite",
        items=suite,
        outputs=outputs,
        scores=table,
        settings=settings,
        shown_per_kind=config.shown_per_kind,
    )
    return table, report
