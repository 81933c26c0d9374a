"""From scores of samples to a headline: each benchmark's rule as data, official rounding included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Scored(NamedTuple):
    """One sample: the task that it belongs to, and its sub-scores in the order of the dimensions."""

    task: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class AveragingRule:
    """How a benchmark averages.

    Attributes:
        sample_digits: a sample's mean over its sub-scores is rounded to so many; None leaves it.
        task_digits: the same for a task's mean over its samples.
        overall: `macro` averages tasks, each counted once; `micro` averages samples; `pooled` averages all
            sub-scores of all samples.
        overall_digits: of the headline.
    """

    sample_digits: int | None
    task_digits: int | None
    overall: Literal["macro", "micro", "pooled"]
    overall_digits: int | None


RULES = {
    "rededit": AveragingRule(sample_digits=2, task_digits=2, overall="macro", overall_digits=4),
    "imgedit": AveragingRule(sample_digits=2, task_digits=2, overall="macro", overall_digits=2),
    "imgedit_uge": AveragingRule(sample_digits=2, task_digits=None, overall="micro", overall_digits=2),
    "gedit": AveragingRule(sample_digits=None, task_digits=None, overall="macro", overall_digits=3),
    "kris": AveragingRule(sample_digits=None, task_digits=None, overall="pooled", overall_digits=None),
    "rise": AveragingRule(sample_digits=None, task_digits=None, overall="micro", overall_digits=None),
    "textedit": AveragingRule(sample_digits=None, task_digits=None, overall="micro", overall_digits=2),
    "strict": AveragingRule(sample_digits=None, task_digits=None, overall="macro", overall_digits=None),
}
"""Official rules by benchmark; `strict` rounds nowhere. SC, PQ and O go through GEdit's rule one by one."""


@dataclass(frozen=True)
class Aggregate:
    """A benchmark's figures. `overall` is None where there is not one sample."""

    overall: float | None
    tasks: dict[str, float]
    counts: dict[str, int]


def aggregate(samples: Sequence[Scored], rule: AveragingRule) -> Aggregate:
    """Returns the means of each task, in the order of their names, and the headline.

    Rounding is Python's, to even on binary fractions, because the official scripts use it.
    """
    by_task: dict[str, list[float]] = {}
    for sample in samples:
        by_task.setdefault(sample.task, []).append(_rounded(mean(sample.scores), rule.sample_digits))
    tasks = {task: _rounded(mean(values), rule.task_digits) for task, values in sorted(by_task.items())}
    parts = {
        "macro": list(tasks.values()),
        "micro": [value for values in by_task.values() for value in values],
        "pooled": [score for sample in samples for score in sample.scores],
    }[rule.overall]
    return Aggregate(
        overall=_rounded(mean(parts), rule.overall_digits) if parts else None,
        tasks=tasks,
        counts={task: len(by_task[task]) for task in tasks},
    )


def mean(values: Sequence[float]) -> float:
    """Returns the sum over the count, added in order as the official scripts do."""
    return sum(values) / len(values)


def with_missing_as_worst(
    samples: Sequence[Scored], missing: Sequence[str], worst: tuple[float, ...]
) -> list[Scored]:
    """Returns the samples and, for each missing one, the worst scores, so that refusing cannot win.

    Args:
        samples: those with scores.
        missing: the task of each sample without scores.
        worst: the lowest score of each dimension.
    """
    return [*samples, *(Scored(task, worst) for task in missing)]


def _rounded(value: float, digits: int | None) -> float:
    return value if digits is None else round(value, digits)
