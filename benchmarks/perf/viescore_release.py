"""VIEScore's released judge scores and ImagenHub's human ratings, computed again as published, and right.

Source: TIGER-AI-Lab/VIEScore (MIT), `_answers`, `_human_annotations` and analyze_json.ipynb.
"""

import gzip
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.statistics import TIE_DIGITS, fleiss_kappa, krippendorff_alpha, mean_correlation, spearman

MEASURES = ("SC", "PQ", "O")
GUESS = "guess_if_cannot_parse"

Judged = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""Task to model to SC or PQ to sample to the released record."""

Rated = list[dict[str, dict[str, tuple[float, float]]]]
"""One entry a rater: model to sample to (SC, PQ), each 0, 0.5 or 1."""


Average = Callable[[Sequence[float]], float]


class TaskFigures(NamedTuple):
    """A task's figures by name.

    Attributes:
        published: as the authors computed them.
        fisher: correlations averaged by Fisher's transform, which the authors applied one way only.
        corrected: the same, and values that differ in the last bit tie.
        rater_order: in which the published figures come out.
    """

    published: dict[str, float]
    fisher: dict[str, float]
    corrected: dict[str, float]
    rater_order: tuple[int, ...]


def read_judged(path: Path) -> Judged:
    """Returns the released scores of one judge, from JSON or gzipped JSON."""
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


def read_rated(folder: Path, task: str) -> Rated:
    """Returns the human ratings of a task, raters in the order of their file names."""
    return [_read_rater(path) for path in sorted(folder.glob(f"{task}__*.tsv"))]


def flat_expected(expected: Mapping[str, Any]) -> dict[str, float]:
    """Returns the published figures by name, `task|model|SC.mean` and the like."""
    flat: dict[str, float] = {}
    for model, values in expected["per_model"].items():
        for measure in MEASURES:
            flat[f"{model}|{measure}.mean"] = values[measure]["mean"]
            flat[f"{model}|{measure}.std"] = values[measure]["std"]
            flat[f"{model}|{measure}.judge_to_humans"] = values[f"spearman_{measure}"]
            flat[f"{model}|{measure}.human_to_humans"] = values[f"human2human_{measure}"]
    averages = {**expected.get("task_avg_spearman", {}), "all tasks": expected.get("final_spearman", {})}
    for task, values in averages.items():
        flat |= {f"{task}|{measure}": value for measure, value in values.items()}
    return flat


def task_figures(
    task: str, judged: Mapping[str, Any], rated: Rated, published: Mapping[str, float]
) -> TaskFigures:
    """Returns a task's figures as published and as they should be.

    The authors averaged the raters in the order in which their file system listed them, which nobody wrote
    down and on which ties depend. The order that reproduces most of the published figures is taken.

    Args:
        task: its name.
        judged: the task's models, from `read_judged`.
        rated: from `read_rated`.
        published: from `flat_expected`; names of other tasks are ignored.
    """
    models = models_with_figures(task, judged, published)
    tried = []
    for order in permutations(range(len(rated))):
        ordered = [rated[place] for place in order]
        found = _figures(task, judged, models, ordered, average=_tanh_of_mean, digits=None)
        hits = sum(same(value, published[name]) for name, value in found.items() if name in published)
        tried.append((hits, order, found))
    _, order, found = max(tried, key=lambda one: one[0])
    ordered = [rated[place] for place in order]
    return TaskFigures(
        published=found,
        fisher=_figures(task, judged, models, ordered, average=mean_correlation, digits=None),
        corrected=_figures(task, judged, models, rated, average=mean_correlation, digits=TIE_DIGITS),
        rater_order=order,
    )


def models_with_figures(task: str, judged: Mapping[str, Any], published: Mapping[str, float]) -> list[str]:
    """Returns the models of a task that have released scores and published figures, as listed there."""
    names = (name.split("|") for name in published if name.endswith("|SC.mean"))
    return [model for of_task, model, _ in names if of_task == task and model in judged]


def same(found: float, published: float) -> bool:
    """Returns whether a figure prints like the published one, which has four decimals."""
    return f"{found:.4f}" == f"{published:.4f}"


def over_all_tasks(tasks: Mapping[str, TaskFigures]) -> TaskFigures:
    """Returns the final correlations, each averaged over the averages of the tasks."""
    figures = list(tasks.values())
    return TaskFigures(
        published=_final([one.published for one in figures], tasks, _tanh_of_mean),
        fisher=_final([one.fisher for one in figures], tasks, mean_correlation),
        corrected=_final([one.corrected for one in figures], tasks, mean_correlation),
        rater_order=(),
    )


def irregular_replies(judged: Judged) -> dict[str, int]:
    """Returns how many released scores a strict reading leaves out, and why."""
    records = [
        record
        for models in judged.values()
        for measures in models.values()
        for samples in measures.values()
        for record in samples.values()
    ]
    guessed = [record for record in records if GUESS in str(record.get("reasoning"))]
    regular = [record["score"] for record in records if GUESS not in str(record.get("reasoning"))]
    return {
        "replies": len(records),
        "guessed at random": len(guessed),
        "with a fraction": sum(any(score != int(score) for score in scores) for scores in regular),
        "not two scores": sum(len(scores) != 2 for scores in regular),
    }


def human_table(rated: Rated) -> list[tuple[Any, ...]]:
    """Returns one row a model: mean and spread over raters of SC, PQ and O, kappa and alpha of O."""
    rows = []
    for model in rated[0]:
        ratings = np.asarray([list(rater[model].values()) for rater in rated])
        both = {"SC": ratings[..., 0], "PQ": ratings[..., 1]}
        both["O"] = np.round(np.sqrt(both["SC"] * both["PQ"]), 9)
        spread = [figure for m in MEASURES for figure in (both[m].mean(), both[m].mean(axis=1).std())]
        alpha = krippendorff_alpha(both["O"], "interval")
        rows.append((model, *map(float, spread), fleiss_kappa(both["O"]), alpha))
    return rows


def _final(
    figures: Sequence[Mapping[str, float]], tasks: Iterable[str], average: Average
) -> dict[str, float]:
    return {
        f"all tasks|{measure}": average(
            [one[f"{task}|{measure}"] for one, task in zip(figures, tasks, strict=True)]
        )
        for measure in MEASURES
    }


def _figures(
    task: str,
    judged: Mapping[str, Any],
    models: Sequence[str],
    rated: Rated,
    *,
    average: Average,
    digits: int | None,
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for model in models:
        judge, samples = _judge_values(judged[model])
        humans = [_human_values(rater[model]) for rater in rated]
        for measure in MEASURES:
            ratings = np.asarray([[human[measure][sample] for sample in samples] for human in humans])
            every = np.asarray([list(human[measure].values()) for human in humans])
            others = [
                _rho(one, np.delete(every, number, axis=0).mean(axis=0), digits)
                for number, one in enumerate(every)
            ]
            name = f"{task}|{model}|{measure}"
            figures[f"{name}.mean"] = float(np.mean(judge[measure]))
            figures[f"{name}.std"] = float(np.std(judge[measure]))
            figures[f"{name}.judge_to_humans"] = _rho(judge[measure], _mean_in_order(ratings), digits)
            figures[f"{name}.human_to_humans"] = average(others)
    for measure in MEASURES:
        rhos = [figures[f"{task}|{model}|{measure}.judge_to_humans"] for model in models]
        figures[f"{task}|{measure}"] = average(rhos)
    return figures


def _judge_values(measures: Mapping[str, Any]) -> tuple[dict[str, list[float]], list[str]]:
    samples = sorted(set(measures["SC"]) & set(measures["PQ"]))
    values = {
        measure: [_lowest(measures[measure][sample]["score"]) for sample in samples]
        for measure in ("SC", "PQ")
    }
    values["O"] = [math.sqrt(sc * pq) for sc, pq in zip(values["SC"], values["PQ"], strict=True)]
    return values, samples


def _lowest(scores: Any) -> float:
    whole = [int(score) for score in (scores if isinstance(scores, list) else [scores])]
    return min(max(min(whole) / 10, 0.0), 1.0)


def _human_values(model: Mapping[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    return {
        "SC": {sample: sc for sample, (sc, _) in model.items()},
        "PQ": {sample: pq for sample, (_, pq) in model.items()},
        "O": {sample: math.sqrt(sc * pq) for sample, (sc, pq) in model.items()},
    }


def _mean_in_order(ratings: np.ndarray) -> np.ndarray:
    # One item at a time, as published: the last bit of a sum over raters depends on how NumPy adds.
    return np.asarray([np.mean(list(column)) for column in ratings.T])


def _rho(first: Any, second: Any, digits: int | None) -> float:
    found = spearman(first, second, digits=digits)
    return math.nan if found is None else found


def _tanh_of_mean(correlations: Sequence[float]) -> float:
    # Fisher's way back without the way there: wrong, and published.
    return math.tanh(sum(correlations) / len(correlations))


def _read_rater(path: Path) -> dict[str, dict[str, tuple[float, float]]]:
    header, *rows = (
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    )
    ratings: dict[str, dict[str, tuple[float, float]]] = {model: {} for model in header[1:]}
    for sample, *cells in rows:
        for model, cell in zip(header[1:], cells, strict=True):
            sc, pq = json.loads(cell)
            ratings[model][sample] = (float(sc), float(pq))
    return ratings
