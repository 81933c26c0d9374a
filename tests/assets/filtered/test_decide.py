import math
from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.filtered.config import FilteredConfig, Rule
from assets.filtered.decide import (
    UnknownColumnError,
    check_rules,
    compare_verdicts,
    fails,
    funnel_row,
    rule_verdicts,
)
from assets.lake.schemas import VERDICTS
from assets.measured.perceptual import DISTANCE
from assets.measured.registry import IMAGE_MEASURES
from orchestration.profile import load_profile

CATEGORIES = st.sampled_from(["nature", "stylistic", None])
SUBCATEGORIES = st.sampled_from(["blur", "text", None])
VALUES = st.one_of(
    st.none(),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.integers(-3, 3).map(float),
    st.floats(-9, 9),
)
ROWS = st.lists(
    st.tuples(VALUES, VALUES, st.sampled_from(["a", "b"]), CATEGORIES, SUBCATEGORIES), max_size=40
)
EXEMPT = st.lists(st.sampled_from(["nature", "text", "none such"]), max_size=2).map(tuple)


@st.composite
def rules(draw) -> Rule:
    measure = draw(st.sampled_from(["m.x", "m.y"]))
    keep = draw(st.sampled_from(["above", "below", "between", "equals"]))
    common = {"measure": measure, "keep": keep, "unless_category": draw(EXEMPT)}
    if keep == "between":
        return Rule(**common, value=tuple(sorted(draw(st.tuples(st.floats(-9, 9), st.floats(-9, 9))))))
    if keep != "equals" and draw(st.booleans()):
        per = draw(st.lists(st.sampled_from(["corpus", "category"]), max_size=2, unique=True))
        return Rule(**common, quantile=draw(st.floats(0.01, 0.99)), per=tuple(per))
    return Rule(**common, value=draw(st.integers(-3, 3)))


def table(rows) -> pl.DataFrame:
    columns = {"m.x": pl.Float64(), "m.y": pl.Float64(), "corpus": pl.String(), "category": pl.String()}
    frame = pl.DataFrame(rows, schema={**columns, "subcategory": pl.String()}, orient="row")
    return frame.with_columns(id=pl.int_range(pl.len()).cast(pl.String).str.zfill(3))


def is_exempt(rule: Rule, row) -> bool:
    return row["category"] in rule.unless_category or row["subcategory"] in rule.unless_category


def fails_in_plain_python(rule: Rule, row, rows) -> bool:
    value = row[rule.measure]
    if value is None or is_exempt(rule, row):
        return False
    if math.isnan(value):
        return True
    if rule.quantile is not None:
        groups = defaultdict(list)
        for other in rows:
            known = other[rule.measure]
            if known is not None and not math.isnan(known) and not is_exempt(rule, other):
                groups[tuple(other[name] for name in rule.per)].append(known)
        ranked = sorted(groups[tuple(row[name] for name in rule.per)])
        place = rule.quantile * (len(ranked) - 1)
        # a tie between two neighbours may go either way; both are thresholds that the quantile allows
        places = {math.floor(place), math.ceil(place)} if place % 1 == 0.5 else {round(place)}
        limits = [ranked[near] for near in places]
        outcomes = {value < limit if rule.keep == "above" else value > limit for limit in limits}
        return outcomes.pop() if len(outcomes) == 1 else None
    if rule.keep == "between":
        return not rule.value[0] <= value <= rule.value[1]
    if rule.keep == "equals":
        return value != rule.value
    return value < rule.value if rule.keep == "above" else value > rule.value


@settings(max_examples=300, deadline=None)
@given(ROWS, rules())
def test_a_rule_decides_as_its_description_says(rows, rule):
    frame = table(rows)
    decided = frame.with_columns(failed=fails(rule))
    assert decided["failed"].null_count() == 0
    dicts = frame.to_dicts()
    for row, failed in zip(dicts, decided["failed"], strict=True):
        assert fails_in_plain_python(rule, row, dicts) in (failed, None)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.lists(rules(), min_size=1, max_size=4))
def test_the_first_rule_that_an_image_fails_decides_and_is_quoted(rows, several):
    frame = table(rows)
    named = {f"rule {number}": rule for number, rule in enumerate(several)}
    verdicts = rule_verdicts(frame, named, "filtered")
    assert dict(verdicts.schema) == dict(VERDICTS)
    assert verdicts["id"].to_list() == sorted(frame["id"])
    alone = {
        name: frame.select("id", failed=fails(rule)).sort("id")["failed"] for name, rule in named.items()
    }
    values = frame.sort("id").to_dicts()
    for number, verdict in enumerate(verdicts.iter_rows(named=True)):
        first = next((name for name in named if alone[name][number]), None)
        assert verdict["rule"] == first
        assert verdict["kept"] == (first is None)
        if first is None:
            assert verdict["value"] is verdict["threshold"] is None
            continue
        rule, value = named[first], values[number][named[first].measure]
        assert verdict["value"] == value or (math.isnan(verdict["value"]) and math.isnan(value))
        if not math.isnan(value):
            below = rule.keep == "above" or (rule.keep != "below" and value < verdict["threshold"])
            assert value < verdict["threshold"] if below else value > verdict["threshold"]


def test_an_image_that_was_not_measured_is_kept_and_one_that_measured_no_number_is_dropped():
    frame = table(
        [(None, 0.0, "a", None, None), (math.nan, 0.0, "a", None, None), (1.0, 0.0, "a", None, None)]
    )
    for rule in (
        Rule(measure="m.x", keep="above", value=0),
        Rule(measure="m.x", keep="below", value=2),
        Rule(measure="m.x", keep="between", value=(0, 2)),
        Rule(measure="m.x", keep="equals", value=1),
        Rule(measure="m.x", keep="above", quantile=0.5),
        Rule(measure="m.x", keep="below", quantile=0.5),
    ):
        assert rule_verdicts(frame, {"one": rule}, "filtered")["kept"].to_list() == [True, False, True]


def test_a_quantile_is_that_of_the_images_that_the_rule_judges():
    soft_on_purpose = [(0.1, 0.0, "a", "stylistic", "blur")] * 50
    others = [(float(number), 0.0, "a", "nature", None) for number in range(1, 11)]
    rule = Rule(measure="m.x", keep="above", quantile=0.12, unless_category=("blur",))
    dropped = rule_verdicts(table(soft_on_purpose + others), {"blur": rule}, "filtered").filter(
        ~pl.col("kept")
    )
    assert dropped["value"].to_list() == [1.0]


def test_a_corpus_of_equal_values_is_kept_whole_by_every_quantile():
    frame = table([(5.0, 0.0, "a", None, None)] * 20)
    for keep in ("above", "below"):
        rule = Rule(measure="m.x", keep=keep, quantile=0.3)
        assert rule_verdicts(frame, {"one": rule}, "filtered")["kept"].all()


def test_every_corpus_has_a_quantile_of_its_own():
    rows = [(float(n), 0.0, "a", None, None) for n in range(10)]
    rows += [(float(n) + 100, 0.0, "b", None, None) for n in range(10)]
    rule = Rule(measure="m.x", keep="above", quantile=0.12, per=("corpus",))
    verdicts = rule_verdicts(table(rows), {"low": rule}, "filtered").filter(~pl.col("kept"))
    assert sorted(verdicts["value"]) == [0.0, 100.0]
    assert sorted(verdicts["threshold"]) == [1.0, 101.0]


def test_yes_and_no_are_one_and_nothing():
    frame = pl.DataFrame(
        {"id": ["a", "b", "c"], "p.generated": [True, False, None], "category": None, "subcategory": None},
        schema_overrides={"category": pl.String, "subcategory": pl.String},
    )
    rule = Rule(measure="p.generated", keep="equals", value=False)
    assert rule_verdicts(frame, {"generated": rule}, "filtered")["kept"].to_list() == [False, True, True]


@pytest.mark.parametrize("column", ["codes.counts", "overlay_text.text"])
def test_a_rule_over_no_number_is_refused_with_the_columns_that_there_are(column):
    rule = Rule(measure=column, keep="above", value=0)
    with pytest.raises(UnknownColumnError) as caught:
        check_rules({"mine": rule}, IMAGE_MEASURES)
    assert (caught.value.rule, caught.value.column) == ("mine", column)
    assert "codes.count" in str(caught.value)


def test_the_distance_from_natural_images_can_be_asked_for_where_features_are_measured():
    rule = Rule(measure=DISTANCE, keep="below", value=9)
    check_rules({"mine": rule}, IMAGE_MEASURES)
    without = [measure for measure in IMAGE_MEASURES if measure.name != "perceptual"]
    with pytest.raises(UnknownColumnError):
        check_rules({"mine": rule}, without)


@pytest.mark.parametrize(
    "settings_",
    [
        {"keep": "above"},
        {"keep": "above", "value": 1, "quantile": 0.1},
        {"keep": "between", "value": 1},
        {"keep": "below", "value": [1, 2]},
        {"keep": "equals", "quantile": 0.1},
        {"keep": "above", "value": 1, "per": ["corpus"]},
        {"keep": "above", "quantile": 1.4},
        {"keep": "nearly", "value": 1},
    ],
)
def test_a_rule_that_says_nothing_or_two_things_is_refused(settings_):
    with pytest.raises(ValidationError):
        Rule.model_validate({"measure": "m.x", **settings_})
    with pytest.raises(ValidationError):
        FilteredConfig(rules={})


def test_the_demo_has_a_rule_for_every_filter_that_its_corpus_tests():
    from assets.reports.truth import FILTER_OF

    names = set(load_profile("demo").filtered.rules)
    assert set(FILTER_OF.values()) - {"duplicates", "truncated"} <= names


def test_the_funnel_counts_what_each_rule_dropped_most_first():
    rule_of = {"a": None, "b": "blur", "c": "codes", "d": "codes"}
    rows = [{"id": key, "stage": "s", "kept": rule is None, "rule": rule} for key, rule in rule_of.items()]
    verdicts = pl.DataFrame(rows)
    row = funnel_row("filtered", verdicts)
    assert (row["in"], row["kept"]) == (4, 1)
    assert list(row["dropped"].items()) == [("codes", 2), ("blur", 1)]


def test_verdicts_are_compared_by_the_rule_that_decided():
    def verdicts(**rule_of):
        return pl.DataFrame(
            {"id": list(rule_of), "rule": list(rule_of.values())}, schema={"id": pl.String, "rule": pl.String}
        )

    old = verdicts(a=None, b="blur", c="blur", d=None, gone=None)
    new = verdicts(a="codes", b=None, c="codes", d=None, new="blur")
    assert compare_verdicts(old, new) == [
        {"id": "a", "was": "kept", "is": "codes"},
        {"id": "b", "was": "blur", "is": "kept"},
        {"id": "c", "was": "blur", "is": "codes"},
    ]
