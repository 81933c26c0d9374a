"""Verdicts: rules over measured columns. No pixel is read, so a threshold that changes costs seconds."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.engine.measure import Measure
from assets.filtered.config import Rule
from assets.lake.schemas import VERDICTS, conform
from assets.measured.perceptual import DISTANCE, FEATURES


class UnknownColumnError(ValueError):
    """A rule names a column that no measure has or that holds no number; the message lists those that do."""


def check_rules(rules: Mapping[str, Rule], measures: Sequence[Measure]) -> None:
    """Checks that every rule names a number, or a yes or no, that is measured.

    Raises:
        UnknownColumnError: one does not.
    """
    columns = {f"{one.name}.{column}": dtype for one in measures for column, dtype in one.columns.items()}
    known = [column for column, dtype in columns.items() if dtype.is_numeric() or dtype == pl.Boolean]
    known += [DISTANCE] if FEATURES in columns else []
    for name, rule in rules.items():
        if rule.measure not in known:
            measured = rule.measure in columns
            found = f"{rule.measure} holds no number" if measured else f"there is no {rule.measure}"
            raise UnknownColumnError(
                f"filtered.rules.{name}.measure: {found}. Name one of {', '.join(known)}."
            )


def decide(images: pl.DataFrame, rules: Mapping[str, Rule], stage: str) -> pl.DataFrame:
    """Returns one VERDICTS row for each image, sorted by id: the first rule that it fails decides.

    Args:
        images: `id`, measured columns as `measure.column`, `corpus`, `category` and `subcategory`.
        rules: by name, in the order of decision.
        stage: names the verdicts.
    """
    deciding = pl.coalesce(
        *(pl.when(fails(rule)).then(pl.lit(name)) for name, rule in rules.items()), pl.lit(None, pl.String)
    )
    value, threshold = pl.lit(None, pl.Float64), pl.lit(None, pl.Float64)
    for name, rule in rules.items():
        decides = pl.col("rule") == name
        value = pl.when(decides).then(_value(rule)).otherwise(value)
        threshold = pl.when(decides).then(_broken_bound(rule)).otherwise(threshold)
    decided = images.with_columns(rule=deciding).with_columns(value=value, threshold=threshold)
    verdicts = decided.select(
        "id",
        pl.lit(stage).alias("stage"),
        pl.col("rule").is_null().alias("kept"),
        "rule",
        "value",
        "threshold",
    )
    return conform(verdicts.sort("id"), VERDICTS, f"verdicts of {stage}")


def fails(rule: Rule) -> pl.Expr:
    """Returns whether an image fails a rule; never null.

    An image without a value was not measured and passes. One whose value is not a number fails: it was
    measured, and what came of it satisfies no rule.
    """
    value, (low, high) = _value(rule), _bounds(rule)
    outside = value.is_nan()
    if low is not None:
        outside = outside | (value < low)
    if high is not None:
        outside = outside | (value > high)
    return outside.fill_null(False) & ~_exempt(rule)


def funnel_row(stage: str, verdicts: pl.DataFrame) -> dict[str, Any]:
    """Returns what went into a stage, what it kept, and what it dropped by rule, most first."""
    dropped = (
        verdicts.filter(~pl.col("kept"))
        .group_by("rule")
        .len()
        .sort(["len", "rule"], descending=[True, False])
    )
    return {
        "stage": stage,
        "in": verdicts.height,
        "kept": int(verdicts["kept"].sum()),
        "dropped": dict(dropped.iter_rows()),
    }


def compare_verdicts(old: pl.DataFrame, new: pl.DataFrame) -> list[dict[str, Any]]:
    """Returns the images whose verdict differs: `id`, `was`, `is`, each the deciding rule or `kept`."""
    named = pl.coalesce("rule", pl.lit("kept"))
    both = old.select("id", was=named).join(new.select("id", **{"is": named}), on="id", how="inner")
    return both.filter(pl.col("was") != pl.col("is")).sort("id").to_dicts()


def _value(rule: Rule) -> pl.Expr:
    return pl.col(rule.measure).cast(pl.Float64)


def _exempt(rule: Rule) -> pl.Expr:
    exempt = pl.lit(False)
    for column in ("category", "subcategory"):
        exempt = exempt | pl.col(column).is_in(rule.unless_category).fill_null(False)
    return exempt


def _bounds(rule: Rule) -> tuple[pl.Expr | None, pl.Expr | None]:
    if isinstance(rule.value, tuple):
        return pl.lit(rule.value[0]), pl.lit(rule.value[1])
    threshold = pl.lit(rule.value) if rule.quantile is None else _quantile(rule)
    if rule.keep == "equals":
        return threshold, threshold
    return (threshold, None) if rule.keep == "above" else (None, threshold)


def _quantile(rule: Rule) -> pl.Expr:
    assert rule.quantile is not None
    judged = pl.when(~_exempt(rule)).then(_value(rule)).fill_nan(None)
    # the value that splits the sample, not one between two: then a whole corpus of equal values is kept
    of_all = judged.quantile(rule.quantile, interpolation="nearest")
    return of_all.over(rule.per) if rule.per else of_all


def _broken_bound(rule: Rule) -> pl.Expr:
    low, high = _bounds(rule)
    if low is None or high is None:
        bound = low if low is not None else high
        assert bound is not None
        return bound
    return pl.when(_value(rule) < low).then(low).otherwise(high)
