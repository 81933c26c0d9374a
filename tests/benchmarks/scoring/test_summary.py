"""From rows of scores to figures: coverage, the worst case, repeats, tasks and intervals over clusters."""

import json

import numpy as np
import polars as pl
import pytest
from toy_bench import item

from assets.longtail.refill import plan_refill
from assets.synthesized.templates.catalogue import TEMPLATES, templates_by_category
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric
from benchmarks.report.charts import grouped_bars, legend
from benchmarks.report.galleries import disputed, galleries, sample_values
from benchmarks.report.references import References, published_references, published_tables
from benchmarks.report.report import Run, failures, measure_table, state_counts
from benchmarks.scoring.aggregate import RULES
from benchmarks.scoring.demand import demand_of, read_demand, write_demand
from benchmarks.scoring.figures import rank_models, tied_models
from benchmarks.scoring.summary import FIGURES, TASKS, sample_means, summarise
from benchmarks.scoring.table import MEASURED, measured_rows, score_row, score_table
from benchmarks.suites.suite import Suite

MEASURE = Metric("score", "Score", 1, 5, RULES["rededit"])
ERROR = Metric("error", "Error", None, 0.0, RULES["strict"])


def table(*rows, measure="score"):
    """Rows of (model, sample, task, view, repeat, scores or state); a cluster after a slash of the sample."""
    made = []
    for model, sample, task, view, repeat, found in rows:
        name, _, cluster = sample.partition("/")
        reading = Reading(State.OK, tuple(map(float, found))) if isinstance(found, tuple) else Reading(found)
        one = item(name, kind=task, category=f"c-{task}", cluster=cluster or None)
        made.append(score_row(model, one, measure, view=view, repeat=repeat, reading=reading))
    return score_table(made)


def figure(scores, view="strict", measure=MEASURE, **how):
    figures, _ = summarise(scores, [measure], seed=0, **how)
    assert figures.schema == FIGURES
    (row,) = figures.filter(view=view).to_dicts()
    return row


def test_coverage_is_exact_and_what_is_missing_counts_as_worst_in_its_own_column():
    scores = table(
        ("m", "1", "add", "strict", 0, (5, 5, 5)), ("m", "2", "add", "strict", 0, State.REFUSED),
        ("m", "3", "text", "strict", 0, (3, 3, 3)), ("m", "4", "text", "strict", 0, State.MISSING_OUTPUT),
        ("m", "5", "text", "strict", 0, State.API_FAILED),
    )  # fmt: skip
    row = figure(scores)
    assert (row["scored"], row["samples"], row["coverage"], row["complete"]) == (2, 5, 0.4, False)
    assert row["value"] == 4.0
    assert row["missing_as_worst"] == pytest.approx(((5 + 1) / 2 + (3 + 1 + 1) / 3) / 2)


def test_rows_of_the_suite_that_nobody_could_read_are_samples_without_scores():
    scores = table(*(("m", str(n), "add", "strict", 0, (5, 5, 5)) for n in range(3)))
    row = figure(scores, rejected=1)
    assert (row["scored"], row["samples"], row["coverage"], row["complete"]) == (3, 4, 0.75, False)
    some = Metric("some", "Of some samples", 1, 5, RULES["strict"])
    part = table(("m", "0", "add", "strict", 0, (5,)), measure="some")
    assert figure(pl.concat([scores, part]), measure=some, rejected=1)["samples"] == 1


def test_a_model_that_refuses_what_is_hard_cannot_win_the_worst_case():
    honest = [("honest", str(n), "add", "strict", 0, (5,) * 3 if n < 5 else (2,) * 3) for n in range(10)]
    refusing = [("refusing", *row[1:5], row[5] if row[5] == (5,) * 3 else State.REFUSED) for row in honest]
    figures, _ = summarise(table(*honest, *refusing), [MEASURE], seed=0)
    by_model = {row["model"]: row for row in figures.to_dicts()}
    assert by_model["refusing"]["value"] > by_model["honest"]["value"]
    assert by_model["refusing"]["missing_as_worst"] < by_model["honest"]["missing_as_worst"]


def test_official_and_strict_round_by_their_own_rules():
    samples = {"0": (1, 1, 1), "1": (2, 2, 1), "2": (2, 2, 1)}
    rows = [
        ("m", n, "add", view, 0, found) for n, found in samples.items() for view in ("official", "strict")
    ]
    assert figure(table(*rows), "official")["value"] == 1.45
    assert figure(table(*rows), "strict")["value"] == pytest.approx(13 / 9)


def test_repeats_are_averaged_and_their_spread_is_told():
    rows = [("m", "1", "add", "strict", repeat, (score,) * 3) for repeat, score in enumerate((1, 3, 5))]
    row = figure(table(*rows))
    assert (row["value"], row["repeats"], row["spread"]) == (3.0, 3, 2.0)
    assert figure(table(rows[0]))["spread"] is None


def test_nothing_scored_is_no_figure_and_no_interval():
    row = figure(table(("m", "1", "add", "strict", 0, State.REFUSED)))
    assert (row["value"], row["low"], row["high"], row["spread"]) == (None, None, None, None)
    assert row["missing_as_worst"] == 1.0
    scores = table(("m", "1", "add", "strict", 0, State.REFUSED), measure="error")
    assert figure(scores, measure=ERROR)["missing_as_worst"] is None  # an error has no worst value


def test_samples_of_one_picture_are_one_draw_of_the_bootstrap():
    def width(cluster):
        rows = [("m", f"{n}/{cluster(n)}", "add", "strict", 0, ((n // 8) * 4 + 1,) * 3) for n in range(16)]
        row = figure(table(*rows))
        assert row["low"] <= row["value"] <= row["high"]
        return row["high"] - row["low"]

    assert width(lambda n: n // 8) > 1.5 * width(lambda n: n)


@pytest.mark.parametrize("rule", ["kris", "rise", "rededit"])
def test_an_interval_holds_the_average_that_it_belongs_to(rule):
    measure = Metric("score", "Score", 0, 100, RULES[rule], RULES[rule])
    rows = [("m", str(n), f"t{n % 3}", "strict", 0, (10 * n, 5 * n)[: 1 + n % 2]) for n in range(1, 12)]
    row = figure(table(*rows), measure=measure)
    assert row["low"] < row["value"] < row["high"]


def test_tasks_tell_how_much_of_them_was_scored():
    scores = table(
        ("m", "1", "add", "strict", 0, (5, 5, 5)), ("m", "2", "add", "strict", 0, State.REFUSED),
        ("m", "3", "text", "strict", 0, State.REFUSED),
    )  # fmt: skip
    _, tasks = summarise(scores, [MEASURE], seed=0)
    assert tasks.schema == TASKS
    told = {row["task"]: (row["value"], row["scored"], row["samples"]) for row in tasks.to_dicts()}
    assert told == {"add": (5.0, 1, 2), "text": (None, 0, 1)}


def test_the_mean_of_a_sample_is_over_its_scores_and_repeats():
    scores = table(
        ("m", "1", "add", "strict", 0, (1, 3)), ("m", "1", "add", "strict", 1, (5, 5)),
        ("m", "2", "add", "strict", 0, State.REFUSED),
    )  # fmt: skip
    assert sample_means(scores).select("sample_id", "value").rows() == [("1", 3.5)]


def test_measured_rows_leave_out_what_does_not_apply_and_keep_what_is_missing():
    items = [item("1"), item("2"), item("3")]
    rows = measured_rows("m", items, {"1": {"score": 2.0}, "2": {"score": None}}, [MEASURE])
    assert [(row["sample_id"], row["state"]) for row in rows] == [("1", "ok"), ("3", "missing_output")]
    assert {row["view"] for row in rows} == {MEASURED}


SCORES = table(
    *(("a", str(n), "add", view, 0, (n, n, n)) for n in range(1, 6) for view in ("official", "strict")),
    *(("b", str(n), "add", view, 0, (6 - n,) * 3) for n in range(1, 5) for view in ("official", "strict")),
    ("b", "5", "add", "official", 0, State.REFUSED), ("b", "5", "add", "strict", 0, State.PARSE_FAILED),
)  # fmt: skip


def test_galleries_hold_the_best_the_worst_and_the_most_disputed():
    found = {gallery.title: list(gallery.sample_ids) for gallery in galleries(SCORES, MEASURE, ["a", "b"])}
    assert found["Best of a"] == ["5", "4", "3", "2", "1"]
    assert found["Worst of b"] == ["4", "3", "2", "1"]
    assert found["Most disputed"] == ["1", "2", "4"]  # 5 against 1, then 4 against 2, twice
    assert disputed(sample_values(SCORES.filter(model="a"), "score")) == []
    error = Metric("score", "x", None, 0, RULES["strict"])
    best = galleries(SCORES, error, ["a"])[0]
    assert (best.title, best.sample_ids[0]) == ("Best of a", "1")


def test_failures_and_states_are_counted_per_model_and_view():
    assert failures(SCORES).select("model", "sample_id", "view", "state").rows() == [
        ("b", "5", "official", "refused"), ("b", "5", "strict", "parse_failed"),
    ]  # fmt: skip
    counted = state_counts(SCORES)
    assert counted["a"] == {"official": {"ok": 5}, "strict": {"ok": 5}}
    assert counted["b"]["strict"] == {"ok": 4, "parse_failed": 1}


def test_models_are_ranked_by_the_headline_and_those_without_one_come_last():
    figures, _ = summarise(SCORES, [MEASURE], seed=0)
    none = pl.DataFrame([{**figures.to_dicts()[0], "model": "none", "value": None}], schema=FIGURES)
    models = ["none", "a", "b"]
    assert rank_models(pl.concat([none, figures]), MEASURE, "official", models) == ["b", "a", "none"]
    lower = Metric("score", "x", None, 0, RULES["strict"])
    assert rank_models(figures, lower, "official", ["a", "b"]) == ["a", "b"]


def test_of_equal_models_the_one_that_was_given_first_leads():
    figures, _ = summarise(SCORES, [MEASURE], seed=0)
    tied = figures.with_columns(value=pl.lit(1.5) + pl.int_range(pl.len()) * 1e-12)
    assert rank_models(tied, MEASURE, "official", ["b", "a"]) == ["b", "a"]
    assert tied_models(tied, MEASURE, "official", ["b", "a"]) == [["b", "a"]]


def test_weak_categories_are_demanded_in_proportion_to_what_they_lack():
    values = {"add": 5, "text": 2, "color": 4, "pose": 3}
    names = [(task, n) for task in values for n in range(2)]
    scores = table(*(("m", f"{task}{n}", task, "strict", 0, (values[task],) * 3) for task, n in names))
    _, tasks = summarise(scores, [MEASURE], seed=0)
    found = demand_of(tasks, scores, MEASURE, "m", pairs=100)
    assert found["demand"] == {"c-text": 60, "c-pose": 40}  # three behind and two behind
    assert [row["category"] for row in found["weak"]] == ["c-text", "c-pose"]
    assert sum(found["demand"].values()) == 100


def test_what_is_measured_beside_a_judge_does_not_empty_the_demand():
    values = {"add": 5, "text": 2}
    judged = table(*(("m", task, task, "strict", 0, (score,) * 3) for task, score in values.items()))
    beside = measured_rows("m", [item("add"), item("text")], {"add": {"error": 0.1}}, [ERROR])
    scores = pl.concat([judged, score_table(beside)])
    _, tasks = summarise(scores, [MEASURE, ERROR], seed=0)
    assert demand_of(tasks, scores, MEASURE, "m", pairs=10)["demand"] == {"c-text": 10}


def test_where_everything_is_equal_or_nothing_is_scored_nothing_is_demanded():
    equal = table(*(("m", str(n), f"t{n}", "strict", 0, (3, 3, 3)) for n in range(4)))
    _, tasks = summarise(equal, [MEASURE], seed=0)
    assert demand_of(tasks, equal, MEASURE, "m", pairs=10)["demand"] == {}
    none = table(("m", "1", "add", "strict", 0, State.REFUSED))
    _, tasks = summarise(none, [MEASURE], seed=0)
    assert demand_of(tasks, none, MEASURE, "m", pairs=10)["weak"] == []


def test_a_demand_that_was_written_is_what_a_refill_plans_by(tmp_path):
    write_demand(tmp_path / "demand.json", {"demand": {"lighting": 3, "天气": 1}})
    demand = read_demand(tmp_path / "demand.json")
    assert demand == {"lighting": 3, "天气": 1}
    templates_of = templates_by_category(tuple(TEMPLATES))
    category = min(templates_of)
    images = pl.DataFrame(
        {name: [f"{name}{n}" for n in range(6)] for name in ("image_id", "group_id", "license")}
    ).with_columns(split=pl.lit("train"))
    wanted = {category: 4}
    write_demand(tmp_path / "demand.json", {"demand": wanted})
    vectors = np.eye(6, dtype=np.float32)
    made = plan_refill(
        [], images, vectors, demand=read_demand(tmp_path / "demand.json"), templates=tuple(TEMPLATES)
    )
    assert {request.template for request in made} <= set(templates_of[category])
    assert 0 < len(made) <= 4


@pytest.mark.parametrize(
    "content", ["{}", "[]", "{", '{"demand": []}', '{"demand": {"a": 0}}', '{"demand": {"a": "3"}}']
)
def test_a_file_that_is_no_demand_is_refused(tmp_path, content):
    (tmp_path / "demand.json").write_text(content)
    with pytest.raises(ValueError, match="is not a valid demand file"):
        read_demand(tmp_path / "demand.json")


def reference_rows(published, lang="en"):
    suite = Suite("x", "X", lang, [item()], None, published=published)
    return {row.name: row for row in published_references(suite).rows}


def test_published_rows_stand_beside_a_run_under_the_names_of_its_tasks(shared_data):
    rows = reference_rows("rededit_en_table6")
    assert len(rows) == 9
    ours = rows["FireRed-Image-Edit"]
    assert ours.figures == {"score": 4.26}
    assert ours.tasks["background"] == 4.60
    assert ours.tasks["lowlevel"] == 4.44
    assert len(ours.tasks) == 15
    assert reference_rows("imgedit_table3")["FireRed-Image-Edit"].tasks["compose"] == 4.07
    assert reference_rows("gedit_table4", "zh")["FireRed-Image-Edit"].figures["O"] == 7.887
    assert reference_rows("gedit_table4", "en")["FireRed-Image-Edit"].figures["O"] == 7.943
    assert published_references(Suite("x", "X", "en", [item()], None)).rows == ()


def test_the_shipped_tables_are_those_of_the_report(shared_data):
    theirs = json.loads(shared_data("bench/firered_report_tables.json").read_text(encoding="utf-8"))
    ours = published_tables()
    for name, table_ in ours.items():
        assert (table_["header"], table_["rows"]) == (theirs[name]["header"], theirs[name]["rows"])


def widths_of(chart):
    return [float(part.split('"')[0]) for part in str(chart).split('width="')[1:]]


def test_bars_are_as_long_as_their_values_and_say_them():
    values = {"add & text": {"a": 5.0, "b": 1.0}}
    chart = str(grouped_bars("Score <by> task", values, ["a", "b", "c"], low=1, high=5))
    assert 'aria-label="Score &lt;by&gt; task"' in chart
    assert "add &amp; text" in chart
    assert widths_of(chart) == [464.0, 0.5]  # the whole axis, and a line where the axis begins
    assert ">5.00<" in chart
    assert str(legend(["<a>"])).count("&lt;a&gt;") == 1


def test_an_axis_without_length_and_a_value_beyond_it_still_draw():
    assert widths_of(grouped_bars("x", {"t": {"a": 1.0}}, ["a"], low=1, high=1)) == [0.5]
    assert widths_of(grouped_bars("x", {"t": {"a": 9.0}}, ["a"], low=0, high=1)) == [464.0]


def test_two_readings_that_agree_everywhere_are_shown_once():
    def views(official, strict):
        rows = [("m", str(n), "add", view, 0, scores) for view, found in
                (("official", official), ("strict", strict)) for n, scores in enumerate(found)]  # fmt: skip
        figures, tasks = summarise(table(*rows), [MEASURE], seed=0)
        suite = Suite("x", "X", "en", [item()], None)
        run = Run(
            "t", "i", suite, ["m"], "m", [MEASURE], table(*rows), figures, tasks, References("", ""), {}
        )
        shown = measure_table(run, MEASURE)
        return [shown["titles"][view] for view in shown["views"]]

    assert views([(5, 5, 5), (4, 4, 4)], [(5, 5, 5), (4, 4, 4)]) == ["Official and strict"]
    assert views([(5, 5, 5), (4, 4, 4)], [(5, 5, 5), (4, 4, 3)]) == ["Official", "Strict"]
    assert views([(5, 5, 5), (4, 4, 4)], [(5, 5, 5), State.REFUSED]) == ["Official", "Strict"]
