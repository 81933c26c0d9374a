"""VIEScore's released judge scores and ImagenHub's human ratings, computed again as published, and right.

Source: TIGER-AI-Lab/VIEScore (MIT), `_answers`, `_human_annotations` and analyze_json.ipynb.
"""

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.scoring.statistics import (
    TIE_DIGITS,
    fleiss_kappa,
    krippendorff_alpha,
    mean_correlation,
    spearman,
)

METRICS = ("SC", "PQ", "O")
GUESS = "guess_if_cannot_parse"
GZIP = b"\x1f\x8b"
ABSENT = object()

Judged = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""Task to model to SC or PQ to sample to the released record."""

Rated = list[dict[str, dict[str, tuple[float, float]]]]
"""One entry a rater: model to sample to (SC, PQ), each 0, 0.5 or 1."""


Average = Callable[[Sequence[float]], float]


class TaskFigures(NamedTuple):
    """A task's figures by name.

    Attributes:
        published: as the authors computed them.
        fisher: correlations averaged by Fisher's transform, which the authors applied one way only. What
            cannot be computed is left out.
        corrected: the same, and values that differ in the last bit tie.
        rater_order: in which the published figures come out.
    """

    published: dict[str, float]
    fisher: dict[str, float]
    corrected: dict[str, float]
    rater_order: tuple[int, ...]


def read_judged(path: Path) -> Judged:
    """Returns the released scores of one judge.

    Args:
        path: JSON or gzipped JSON of `Judged`; or a folder of the release, `<task>/<model>/<SC or PQ>.json`.

    Raises:
        ValueError: it holds no such scores.
    """
    judged = _read_folder(path) if path.is_dir() else _read_json(path)
    if not isinstance(judged, dict) or not judged:
        raise ValueError(f"{path}: expected an object of tasks, found {type(judged).__name__}.")
    for task, models in judged.items():
        for model, metrics in models.items() if isinstance(models, dict) else [("?", None)]:
            if not isinstance(metrics, dict) or not {"SC", "PQ"} <= set(metrics):
                raise ValueError(f"{path}: {task}, {model} needs SC and PQ, each an object of samples.")
    return judged


def read_rated(folder: Path, task: str) -> Rated:
    """Returns the human ratings of a task, raters in the order of their file names.

    Raises:
        ValueError: there are none, or a file is not a table of `[SC, PQ]` by sample and model.
    """
    paths = sorted(folder.glob(f"{task}__*.tsv"))
    if not paths:
        raise ValueError(f"{folder} holds no ratings {task}__*.tsv. Point --data at a folder that does.")
    return [_read_rater(path) for path in paths]


def flat_expected(expected: Mapping[str, Any]) -> dict[str, float | None]:
    """Returns the published figures by name, `task|model|SC.mean` and the like.

    Args:
        expected: `per_model`, and where printed `task_avg_spearman` and `final_spearman`. What was not
            printed is left out; what could not be computed is NaN or null.

    Raises:
        ValueError: there are no figures of models.
    """
    if not isinstance(expected, Mapping) or not isinstance(expected.get("per_model"), Mapping):
        raise ValueError("The published figures need `per_model`: task|model to SC, PQ, O and correlations.")
    flat: dict[str, float | None] = {}
    for model, values in expected["per_model"].items():
        for metric in METRICS:
            own = values.get(metric, {})
            printed = {
                "mean": own.get("mean", ABSENT),
                "std": own.get("std", ABSENT),
                "judge_to_humans": values.get(f"spearman_{metric}", ABSENT),
                "human_to_humans": values.get(f"human2human_{metric}", ABSENT),
            }
            flat |= {f"{model}|{metric}.{name}": one for name, one in printed.items() if one is not ABSENT}
    averages = {**expected.get("task_avg_spearman", {}), "all tasks": expected.get("final_spearman", {})}
    for task, values in averages.items():
        flat |= {f"{task}|{metric}": value for metric, value in values.items()}
    return flat


def task_figures(
    task: str, judged: Mapping[str, Any], rated: Rated, published: Mapping[str, float | None]
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
        fisher=_figures(task, judged, models, ordered, average=_mean_of_defined, digits=None),
        corrected=_figures(task, judged, models, rated, average=_mean_of_defined, digits=TIE_DIGITS),
        rater_order=order,
    )


def models_with_figures(
    task: str, judged: Mapping[str, Any], published: Mapping[str, float | None]
) -> list[str]:
    """Returns the models of a task that have released scores and published figures, as listed there."""
    names = (name.split("|") for name in published if name.count("|") == 2)
    return list(dict.fromkeys(model for of_task, model, _ in names if of_task == task and model in judged))


def same(found: float | None, published: float | None) -> bool:
    """Returns whether a figure prints like the published one, which has four decimals.

    What cannot be computed, such as the correlation of equal scores, is NaN there, and null in JSON.
    """
    if found is None or published is None or math.isnan(found) or math.isnan(published):
        return all(value is None or math.isnan(value) for value in (found, published))
    return float(f"{found:.4f}") == float(f"{published:.4f}")


def over_all_tasks(tasks: Mapping[str, TaskFigures]) -> TaskFigures:
    """Returns the final correlations, each averaged over the averages of the tasks."""
    figures = list(tasks.values())
    return TaskFigures(
        published=_final([one.published for one in figures], tasks, _tanh_of_mean),
        fisher=_final([one.fisher for one in figures], tasks, _mean_of_defined),
        corrected=_final([one.corrected for one in figures], tasks, _mean_of_defined),
        rater_order=(),
    )


def irregular_replies(judged: Judged) -> dict[str, int]:
    """Returns how many released scores a strict reading leaves out, and why."""
    records = [
        record
        for models in judged.values()
        for metrics in models.values()
        for samples in metrics.values()
        for record in samples.values()
    ]
    guessed = [record for record in records if GUESS in str(record.get("reasoning"))]
    regular = [_listed(record["score"]) for record in records if GUESS not in str(record.get("reasoning"))]
    return {
        "replies": len(records),
        "guessed at random": len(guessed),
        "with a fraction": sum(
            any(isinstance(one, float) and one % 1 for one in scores) for scores in regular
        ),
        "with text": sum(any(isinstance(one, str) for one in scores) for scores in regular),
        "out of range": sum(not all(0 <= float(one) <= 10 for one in scores) for scores in regular),
        "not two scores": sum(len(scores) != 2 for scores in regular),
    }


def human_table(rated: Rated) -> list[tuple[Any, ...]]:
    """Returns one row a model: mean and spread over raters of SC, PQ and O, kappa and alpha of O."""
    rows = []
    for model in rated[0]:
        ratings = np.asarray([list(rater[model].values()) for rater in rated])
        both = {"SC": ratings[..., 0], "PQ": ratings[..., 1]}
        both["O"] = np.round(np.sqrt(both["SC"] * both["PQ"]), 9)
        spread = [figure for m in METRICS for figure in (both[m].mean(), both[m].mean(axis=1).std())]
        alpha = krippendorff_alpha(both["O"], "interval")
        rows.append((model, *map(float, spread), fleiss_kappa(both["O"]), alpha))
    return rows


def _final(
    figures: Sequence[Mapping[str, float]], tasks: Iterable[str], average: Average
) -> dict[str, float]:
    return {
        f"all tasks|{metric}": average(
            [one[f"{task}|{metric}"] for one, task in zip(figures, tasks, strict=True)]
        )
        for metric in METRICS
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
        for metric in METRICS:
            ratings = np.asarray([[human[metric][sample] for sample in samples] for human in humans])
            every = np.asarray([list(human[metric].values()) for human in humans])
            others = [
                _rho(one, np.delete(every, number, axis=0).mean(axis=0), digits)
                for number, one in enumerate(every)
            ]
            name = f"{task}|{model}|{metric}"
            figures[f"{name}.mean"] = float(np.mean(judge[metric]))
            figures[f"{name}.std"] = float(np.std(judge[metric]))
            figures[f"{name}.judge_to_humans"] = _rho(judge[metric], _mean_in_order(ratings), digits)
            figures[f"{name}.human_to_humans"] = average(others)
    for metric in METRICS:
        rhos = [figures[f"{task}|{model}|{metric}.judge_to_humans"] for model in models]
        figures[f"{task}|{metric}"] = average(rhos)
    return figures


def _judge_values(metrics: Mapping[str, Any]) -> tuple[dict[str, list[float]], list[str]]:
    samples = sorted(set(metrics["SC"]) & set(metrics["PQ"]))
    values = {
        metric: [_lowest(metrics[metric][sample]["score"]) for sample in samples] for metric in ("SC", "PQ")
    }
    values["O"] = [math.sqrt(sc * pq) for sc, pq in zip(values["SC"], values["PQ"], strict=True)]
    return values, samples


def _lowest(scores: Any) -> float:
    # As published: the scores of a list are cut to whole numbers, a single score is not.
    lowest = scores if isinstance(scores, int | float) else min(int(score) for score in scores)
    return min(max(lowest / 10, 0.0), 1.0)


def _listed(scores: Any) -> list[Any]:
    return scores if isinstance(scores, list) else [scores]


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


def _mean_of_defined(correlations: Sequence[float]) -> float:
    defined = [rho for rho in correlations if not math.isnan(rho)]
    return mean_correlation(defined) if defined else math.nan


def _read_json(path: Path) -> Any:
    data = path.read_bytes()
    try:
        return json.loads(gzip.decompress(data) if data.startswith(GZIP) else data)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is neither JSON nor gzipped JSON: {error}") from error


def _read_folder(folder: Path) -> Judged:
    judged: Judged = {}
    for path in sorted(folder.glob("*/*/*.json")):
        if path.stem in ("SC", "PQ"):
            models = judged.setdefault(path.parent.parent.name, {})
            models.setdefault(path.parent.name, {})[path.stem] = _read_json(path)
    return judged


def _read_rater(path: Path) -> dict[str, dict[str, tuple[float, float]]]:
    text = path.read_text(encoding="utf-8-sig")
    header, *rows = (line.split("\t") for line in text.splitlines() if line.strip())
    ratings: dict[str, dict[str, tuple[float, float]]] = {model: {} for model in header[1:]}
    for sample, *cells in rows:
        try:
            for model, cell in zip(header[1:], cells, strict=True):
                sc, pq = json.loads(cell)
                ratings[model][sample] = (float(sc), float(pq))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, {sample}: expected a cell [SC, PQ] for each model: {error}") from error
    return ratings
