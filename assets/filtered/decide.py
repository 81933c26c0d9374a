"""Verdicts of rules over measured columns. No pixels are read, so a changed threshold takes seconds."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.engine.measure import ImageMeasure
from assets.filtered.config import Rule
from assets.lake.schemas import VERDICTS, conform
from assets.measured.perceptual import DISTANCE, FEATURES
from models.common.checks import did_you_mean


class UnknownColumnError(ValueError):
    """A rule names a column that does not exist or is not numeric.

    Attributes:
        rule: name of the rule.
        column: the column that it names.
    """

    def __init__(self, rule: str, column: str, *, exists: bool, numeric: Sequence[str]) -> None:
        self.rule, self.column = rule, column
        reason = f"{column} is not numeric. There are {', '.join(numeric)}."
        if not exists:
            reason = f"{column} does not exist. {did_you_mean(column, numeric)}"
        super().__init__(f"filtered.rules.{rule}.measure: {reason}")


class ThresholdError(ValueError):
    """A rule compares a truth value with a number, or a number with a truth value.

    Attributes:
        rule: name of the rule.
    """

    def __init__(self, rule: str, column: str, *, is_truth: bool) -> None:
        self.rule = rule
        kind = "true or false" if is_truth else "a number"
        super().__init__(f"filtered.rules.{rule}.value: {column} is {kind}. Write {kind}.")


def check_rules(rules: Mapping[str, Rule], measures: Sequence[ImageMeasure]) -> None:
    """Checks that every rule names a measured column of numbers or Booleans.

    Raises:
        UnknownColumnError: a rule does not.
        ThresholdError: the column holds truth values and the threshold is a number, or the other way round.
    """
    columns = {
        f"{measure.name}.{column}": dtype for measure in measures for column, dtype in measure.columns.items()
    }
    numeric = [column for column, dtype in columns.items() if dtype.is_numeric() or dtype == pl.Boolean]
    numeric += [DISTANCE] if FEATURES in columns else []
    for name, rule in rules.items():
        if rule.measure not in numeric:
            raise UnknownColumnError(name, rule.measure, exists=rule.measure in columns, numeric=numeric)
        is_truth = columns.get(rule.measure) == pl.Boolean
        if is_truth != isinstance(rule.value, bool):
            raise ThresholdError(name, rule.measure, is_truth=is_truth)


def rule_verdicts(images: pl.DataFrame, rules: Mapping[str, Rule], stage: str) -> pl.DataFrame:
    """Returns one VERDICTS row for each image, sorted by id; an image is dropped by the first rule it fails.

    Args:
        images: `id`, measured columns as `measure.column`, `corpus`, `category` and `subcategory`.
        rules: by name, in the order in which they are applied.
        stage: name of the stage in the verdicts.
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
    """Returns an expression for whether an image fails a rule; it is never null.

    A null value passes, because the image was not measured. NaN fails, because it satisfies no rule.
    """
    value, (low, high) = _value(rule), _bounds(rule)
    outside = value.is_nan()
    if low is not None:
        outside = outside | (value < low)
    if high is not None:
        outside = outside | (value > high)
    return outside.fill_null(False) & ~_exempt(rule)


def funnel_row(stage: str, verdicts: pl.DataFrame) -> dict[str, Any]:
    """Returns the number of inputs of a stage, of kept ones, and of dropped ones by rule, most first."""
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
    """Returns `id`, `was` and `is` of images whose verdict differs; each is the name of a rule or `kept`."""
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
    threshold = pl.lit(float(rule.value)) if rule.value is not None else _quantile(rule)
    if rule.keep == "equals":
        return threshold, threshold
    return (threshold, None) if rule.keep == "above" else (None, threshold)


def _quantile(rule: Rule) -> pl.Expr:
    assert rule.quantile is not None
    values = pl.when(~_exempt(rule)).then(_value(rule)).fill_nan(None)
    # With "nearest" the threshold is a value of the sample, so a corpus of equal values is kept entirely.
    threshold = values.quantile(rule.quantile, interpolation="nearest")
    return threshold.over(rule.per) if rule.per else threshold


def _broken_bound(rule: Rule) -> pl.Expr:
    low, high = _bounds(rule)
    if low is None or high is None:
        bound = low if low is not None else high
        assert bound is not None
        return bound
    return pl.when(_value(rule) < low).then(low).otherwise(high)
