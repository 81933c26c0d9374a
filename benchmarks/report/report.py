"""The report of a run: one page that needs nothing else, and the same figures as JSON and CSV."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Metric
from benchmarks.report.charts import grouped_bars, legend
from benchmarks.report.references import Reference, References, comparable
from benchmarks.report.samples import SampleViews
from benchmarks.scoring.demand import write_demand
from benchmarks.scoring.figures import headline_view
from benchmarks.scoring.table import MEASURED
from benchmarks.suites.suite import Suite
from models.common.files import publish_file, temporary_beside

VIEW_TITLES = {
    "official": "Official",
    "strict": "Strict",
    MEASURED: "Measured",
}
FILES = ("report.json", "figures.csv", "tasks.csv", "scores.csv", "failures.csv")
REPLIES = "replies.jsonl"
"""Beside the page where a judge was asked; every reply on the page names its key there."""

RAW = {
    "text_metric": ("texts.jsonl", "text_scores.jsonl"),
    "companions": ("companions.jsonl",),
    "demand": ("demand.json",),
}
"""Further files beside the page, by the key of `Run.extra` that belongs to them."""

FIGURES_SHOWN = 6
"""Of an output at once; the others are behind one more click."""

FAILURES_SHOWN = 500
"""Rows of the table of failures on the page; all of them are in failures.csv."""


@dataclass(frozen=True)
class Run:
    """What a report is made of.

    Attributes:
        title: of the page.
        intro: one or two sentences under it.
        suite: items and their problems.
        models: in the order of the tables.
        champion: the best of them.
        metrics: the first one is the headline.
        scores: rows of `benchmarks.scoring.table.SCORES`.
        figures: from `benchmarks.scoring.summary.summarise`.
        tasks: from the same.
        references: rows beside those of the run.
        settings: model to what decided its outputs.
        judge: identity of the judge, None if there is none.
        problems: what else went wrong, one sentence each.
        notes: what a reader of the figures has to know, one sentence each.
        extra: further values for report.json.
    """

    title: str
    intro: str
    suite: Suite
    models: Sequence[str]
    champion: str
    metrics: Sequence[Metric]
    scores: pl.DataFrame
    figures: pl.DataFrame
    tasks: pl.DataFrame
    references: References
    settings: Mapping[str, Mapping[str, Any]]
    judge: Mapping[str, Any] | None = None
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_report(folder: Path, run: Run, samples: SampleViews) -> Path:
    """Returns the page, index.html; beside it lie report.json and CSV files of the same figures.

    The page is written while its samples are drawn, so that it takes no more memory for more of them.

    Args:
        folder: made if missing.
        run: figures and settings.
        samples: draws what the page shows of each sample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = report_figures(run)
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    run.figures.write_csv(folder / "figures.csv")
    run.tasks.write_csv(folder / "tasks.csv")
    _flat(run.scores).write_csv(folder / "scores.csv")
    _flat(failures(run.scores)).write_csv(folder / "failures.csv")
    if "demand" in run.extra:
        write_demand(folder / "demand.json", run.extra["demand"])
    page = folder / "index.html"
    unfinished = temporary_beside(page)
    with unfinished.open("w", encoding="utf-8") as stream:
        for chunk in _template().generate(**_context(run, samples)):
            stream.write(chunk)
    publish_file(unfinished, page)
    return page


def report_figures(run: Run) -> dict[str, Any]:
    """Returns the numbers of a report for programs."""
    protocol, beside = run.suite.protocol, _comparable(run)
    return {
        "suite": run.suite.name,
        "title": run.title,
        "lang": run.suite.lang,
        "samples": len(run.suite.items),
        "expected_samples": run.suite.expected,
        "rejected_rows": run.suite.rejected,
        "suite_complete": not run.suite.whole(),
        "protocol": protocol.name if protocol and run.judge else None,
        "official_prompts": protocol.official if protocol and run.judge else None,
        "judge": dict(run.judge) if run.judge else None,
        "models": list(run.models),
        "files": files_beside(run),
        "figures": run.figures.to_dicts(),
        "tasks": run.tasks.to_dicts(),
        "references": {
            "source": beside.source,
            "note": beside.note,
            "rows": [vars(row) for row in beside.rows],
        },
        "failures": state_counts(run.scores),
        "settings": {name: dict(values) for name, values in run.settings.items()},
        "problems": [*run.suite.problems, *run.problems],
        "notes": list(run.notes),
        **run.extra,
    }


def files_beside(run: Run) -> list[str]:
    """Returns the files beside the page that hold its figures and what each of them was made of."""
    more = [name for told, names in RAW.items() if told in run.extra for name in names]
    return [*FILES, *([REPLIES] if run.judge else []), *more]


def failures(scores: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows without scores, each model, sample and reason once."""
    failed = scores.filter(pl.col("state") != State.OK)
    return failed.unique(["model", "sample_id", "view", "state", "note"], keep="first", maintain_order=True)


def state_counts(scores: pl.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Returns model to view to state to how many samples are in it, by the first metric that they have."""
    first = scores.unique(["model", "view", "sample_id", "repeat"], keep="first", maintain_order=True)
    counted = first.group_by("model", "view", "state").len().sort("model", "view", "state")
    nested: dict[str, dict[str, dict[str, int]]] = {}
    for model, view, state, count in counted.iter_rows():
        nested.setdefault(model, {}).setdefault(view, {})[state] = count
    return nested


def _flat(scores: pl.DataFrame) -> pl.DataFrame:
    lists = [name for name in ("values", "replies") if name in scores.columns]
    return scores.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("benchmarks.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("report.html")


def _context(run: Run, samples: SampleViews) -> dict[str, Any]:
    failed = failures(run.scores)
    protocol = run.suite.protocol
    return {
        "run": run,
        "files": files_beside(run),
        "figures_shown": FIGURES_SHOWN,
        "protocol": protocol if run.judge else None,
        "beside": _comparable(run),
        "measures": [measure_table(run, metric) for metric in run.metrics if _has(run, metric)],
        "categories": _categories(run),
        "galleries": samples.draw_galleries(),
        "samples": samples.all(),
        "anchors": samples.anchors(),
        "listed_anchors": samples.listed_anchors(),
        "failures": failed.head(FAILURES_SHOWN).to_dicts(),
        "failure_count": failed.height,
        "states": state_counts(run.scores),
        "problems": [*run.suite.problems, *run.problems],
    }


def _has(run: Run, metric: Metric) -> bool:
    return metric.name in set(run.figures["measure"])


def _comparable(run: Run) -> References:
    return comparable(run.references, {metric.name for metric in run.metrics if _has(run, metric)})


def measure_table(run: Run, metric: Metric) -> dict[str, Any]:
    """Returns what the page shows of a metric; scoring modes that agree everywhere are shown as one."""
    rows = run.figures.filter(pl.col("measure") == metric.name)
    views, titles = list(dict.fromkeys(rows["view"])), VIEW_TITLES
    by_model = {model: rows.filter(pl.col("model") == model) for model in run.models}
    beside = [row for row in run.references.rows if not row.figures or metric.name in row.figures]
    repeated = bool((rows["repeats"] > 1).any())
    judged = run.judge is not None and metric.worst is not None
    if views == ["official", "strict"] and _agree(rows, metric):
        views, titles = ["official"], {"official": "Official and strict"}
    return {
        "measure": metric,
        "views": views,
        "titles": titles,
        "repeated": repeated,
        "worst_shown": judged,
        "empty_cells": len(views) * (2 + judged + repeated) + (len(views) > 1) - 1,
        "rows": [
            {"model": model, "views": {row["view"]: row for row in own.iter_rows(named=True)}}
            for model, own in by_model.items()
        ],
        "references": beside,
    }


def _agree(rows: pl.DataFrame, metric: Metric) -> bool:
    """Returns whether both scoring modes of a metric show the same for every model."""
    rounded = {
        view: rows.filter(pl.col("view") == view)
        .sort("model")
        .drop("view")
        .with_columns(pl.col("value", "low", "high", "spread", "missing_as_worst").round(metric.decimals + 1))
        for view in ("official", "strict")
    }
    return rounded["official"].equals(rounded["strict"])


def _categories(run: Run) -> dict[str, Any]:
    """Returns the headline of each task: a table, and bars beside it."""
    metric = run.metrics[0]
    rows = run.tasks.filter(
        (pl.col("measure") == metric.name) & (pl.col("view") == headline_view(run.figures))
    )
    table: dict[str, dict[str, Any]] = {}
    for row in rows.iter_rows(named=True):
        table.setdefault(row["task"], {})[row["model"]] = row
    beside = [row for row in run.references.rows if row.tasks and metric.name in row.figures]
    values = {
        task: {model: row["value"] for model, row in models.items() if row["value"] is not None}
        for task, models in sorted(table.items())
    }
    low, high = _axis(metric, values, beside)
    return {
        "measure": metric,
        "table": dict(sorted(table.items())),
        "references": beside,
        "beaten": beside[0] if headline_view(run.figures) == MEASURED and beside else None,
        "chart": grouped_bars(
            f"{metric.title} by task, a bar for each model", values, run.models, low=low, high=high
        ),
        "legend": legend(run.models),
    }


def _axis(
    metric: Metric, values: Mapping[str, Mapping[str, float]], beside: Iterable[Reference]
) -> tuple[float, float]:
    if metric.worst is not None and metric.best is not None:
        return metric.worst, metric.best
    found = [value for models in values.values() for value in models.values()]
    found += [value for row in beside for value in row.tasks.values()]
    return 0.0, max(found, default=1.0) or 1.0
