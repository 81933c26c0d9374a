"""Published figures come out again from the released raw outputs; skips where those are missing."""

import gzip
import json
import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.parsing.lines import labels_of_prompt
from benchmarks.perf import published
from benchmarks.perf.fuzz import fuzz_parsers
from benchmarks.perf.parser_cases import JSON_VERDICTS, LINE_VERDICTS, check_cases
from benchmarks.perf.printed_tables import gedit_rows, report_rows
from benchmarks.perf.published import parser_figures
from benchmarks.perf.viescore_release import (
    TaskFigures,
    flat_expected,
    human_table,
    irregular_replies,
    over_all_tasks,
    read_judged,
    read_rated,
    same,
    task_figures,
)

EDITING = "ImagenHub_Text-Guided_IE"


def test_every_figure_of_the_release_holds(shared_data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(published, "FUZZED_REPLIES", 1000)  # the script takes ten times as many
    code = published.main(["--data", str(shared_data("bench")), "--json", str(tmp_path / "figures.json")])
    figures = {figure["name"]: figure for figure in json.loads((tmp_path / "figures.json").read_text())}
    values = {name: figure["value"] for name, figure in figures.items()}
    assert code == 0
    assert values["viescore.reproduced"] == values["viescore.total"] == 372
    assert values["gedit.reproduced"] == 12
    assert (values["tables.reproduced"], values["tables.total"]) == (40, 41)
    assert values["parser.reproduced"] == values["parser.total"] == 39
    assert all(figure["holds"] for figure in figures.values())
    shown = capsys.readouterr().out
    for figure in ("0.3322", "0.3757", "0.2675", "0.2891", "0.3048", "0.3356"):  # published and right
        assert figure in shown


def released_as_printed(judged, rated_of):
    """The figures that the release's notebook prints, by SciPy and plain loops: an oracle of its own."""

    def average(rhos):
        return round(math.tanh(sum(rhos) / len(rhos)), 4)

    def lowest(scores):
        return min(max(min(int(one) for one in scores) / 10, 0.0), 1.0)

    per_model, task_means = {}, {}
    for task, models in judged.items():
        raters = rated_of(task)
        own = {measure: [] for measure in ("SC", "PQ", "O")}
        for model, answers in models.items():
            samples = sorted(set(answers["SC"]) & set(answers["PQ"]))
            judge = {m: [lowest(answers[m][sample]["score"]) for sample in samples] for m in ("SC", "PQ")}
            judge["O"] = [math.sqrt(sc * pq) for sc, pq in zip(judge["SC"], judge["PQ"], strict=True)]
            human = {
                "SC": lambda pair: pair[0], "PQ": lambda pair: pair[1],
                "O": lambda pair: math.sqrt(pair[0] * pair[1]),
            }  # fmt: skip
            figures = {"n": len(samples)}
            for measure, of in human.items():
                means = [np.mean([of(rater[model][sample]) for rater in raters]) for sample in samples]
                own[measure].append(float(spearmanr(judge[measure], means).statistic))
                every = [[of(pair) for pair in rater[model].values()] for rater in raters]
                others = [
                    float(spearmanr(one, np.mean([e for e in every if e is not one], axis=0)).statistic)
                    for one in every
                ]
                figures[measure] = {
                    "mean": round(float(np.mean(judge[measure])), 4),
                    "std": round(float(np.std(judge[measure])), 4),
                }
                figures[f"spearman_{measure}"] = round(own[measure][-1], 4)
                figures[f"human2human_{measure}"] = average(others)
            per_model[f"{task}|{model}"] = figures
        task_means[task] = {measure: math.tanh(sum(r) / len(r)) for measure, r in own.items()}
    final = {m: average([means[m] for means in task_means.values()]) for m in ("SC", "PQ", "O")}
    rounded = {task: {m: round(value, 4) for m, value in means.items()} for task, means in task_means.items()}
    return {"per_model": per_model, "task_avg_spearman": rounded, "final_spearman": final}


@pytest.mark.parametrize("packed", ["gpt4o_0shot.json.gz", "gpt4o_1shot.json"])
@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
def test_the_figures_of_another_judge_come_out_too(shared_data, tmp_path, packed):
    name = packed.split(".")[0]
    judged = read_judged(shared_data(f"bench/viescore/raw/results_{name}.json.gz"))
    humans = shared_data("bench/viescore/human")
    expected = released_as_printed(judged, lambda task: read_rated(humans, task))
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    text = json.dumps(judged).encode()
    (tmp_path / packed).write_bytes(gzip.compress(text) if packed.endswith(".gz") else text)
    reproduced, total = published.viescore_figures(tmp_path / packed, tmp_path / "expected.json", humans)
    assert total.value == {"gpt4o_0shot": 372, "gpt4o_1shot": 8 * 12 + 3 + 3}[name]
    assert reproduced.value == total.value


def test_scores_that_never_differ_have_no_correlation_and_the_rest_is_averaged(shared_data, tmp_path):
    judged = {EDITING: read_judged(shared_data("bench/viescore/raw/results_gpt4o_1shot.json.gz"))[EDITING]}
    for record in judged[EDITING]["MagicBrush"]["SC"].values():
        record["score"] = 4.5  # a single number is not cut to a whole one
    rated = read_rated(shared_data("bench/viescore/human"), EDITING)
    names = [f"{EDITING}|{model}|SC.mean" for model in judged[EDITING]]
    found = task_figures(EDITING, judged[EDITING], rated, dict.fromkeys(names, 0.0))
    assert found.published[f"{EDITING}|MagicBrush|SC.mean"] == pytest.approx(0.45)
    assert math.isnan(found.published[f"{EDITING}|MagicBrush|SC.judge_to_humans"])
    assert math.isnan(found.published[f"{EDITING}|SC"])  # as the notebook would print
    others = [found.fisher[f"{EDITING}|{model}|SC.judge_to_humans"] for model in judged[EDITING]]
    defined = [rho for rho in others if not math.isnan(rho)]
    assert found.fisher[f"{EDITING}|SC"] == pytest.approx(np.tanh(np.mean(np.arctanh(defined))))


def test_a_folder_of_the_release_is_read_like_its_one_file(tmp_path):
    judged = {"Task": {"Model": {name: {"a.jpg": {"score": [1, 2]}} for name in ("SC", "PQ")}}}
    for name, samples in judged["Task"]["Model"].items():
        (tmp_path / "Task" / "Model").mkdir(parents=True, exist_ok=True)
        (tmp_path / "Task" / "Model" / f"{name}.json").write_text(json.dumps(samples))
    assert read_judged(tmp_path) == judged


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8bnot gzip", "neither JSON nor gzipped JSON"),
        (b"[]", "expected an object of tasks"),
        (b'{"Task": {"Model": {"SC": {}}}}', "Task, Model needs SC and PQ"),
        (b'{"Task": 5}', "needs SC and PQ"),
    ],
)
def test_a_file_that_is_no_release_says_what_was_expected(tmp_path, content, message):
    (tmp_path / "raw.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_judged(tmp_path / "raw.json")


def test_missing_material_is_a_message_and_no_traceback(tmp_path, capsys):
    assert published.main(["--data", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        published.main(["--viescore", str(tmp_path / "raw.json")])
    assert "--expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "printed", "equal"),
    [
        (0.12344, 0.1234, True), (0.12346, 0.1234, False), (-0.00004, 0.0, True), (math.nan, math.nan, True),
        (math.nan, None, True), (None, 0.1, False), (math.nan, 0.1, False), (0.1, None, False),
    ],
)  # fmt: skip
def test_figures_are_compared_as_they_print(found, printed, equal):
    assert same(found, printed) is equal


def test_a_changed_raw_score_or_expectation_is_noticed(shared_data, tmp_path, capsys):
    raw = read_judged(shared_data("bench/viescore/raw/results_gemini_0shot.json.gz"))
    sample = next(iter(raw[EDITING]["MagicBrush"]["SC"].values()))
    sample["score"] = [10, 10] if min(sample["score"]) < 5 else [0, 0]
    (tmp_path / "raw.json.gz").write_bytes(gzip.compress(json.dumps(raw).encode()))
    expected = shared_data("bench/viescore/expected_gemini_0shot.json")
    humans = shared_data("bench/viescore/human")
    reproduced, total = published.viescore_figures(tmp_path / "raw.json.gz", expected, humans)
    assert reproduced.value < total.value == 372
    assert not reproduced.holds
    assert f"{EDITING}|MagicBrush|SC.mean" in capsys.readouterr().out


def test_the_brief_figures_of_gpt4o_on_editing_come_out(shared_data):
    raw = read_judged(shared_data("bench/viescore/raw/results_gpt4o_0shot.json.gz"))
    rated = read_rated(shared_data("bench/viescore/human"), EDITING)
    names = flat_expected(json.loads(shared_data("bench/viescore/expected_gemini_0shot.json").read_text()))
    found = task_figures(EDITING, raw[EDITING], rated, names)
    rounded = {measure: round(found.published[f"{EDITING}|{measure}"], 2) for measure in ("SC", "PQ", "O")}
    assert rounded == {"SC": 0.41, "PQ": 0.49, "O": 0.38}
    assert round(found.published[f"{EDITING}|MagicBrush|O.human_to_humans"], 2) == 0.63


@pytest.mark.parametrize(
    ("judge", "counts"), [("gemini_0shot", (9600, 77, 0)), ("gpt4o_0shot", (9602, 19, 2))]
)
def test_random_guesses_and_fractions_in_the_release_are_counted(shared_data, judge, counts):
    found = irregular_replies(read_judged(shared_data(f"bench/viescore/raw/results_{judge}.json.gz")))
    assert (found["replies"], found["guessed at random"], found["with a fraction"]) == counts


def test_the_human_table_of_imagenhub_comes_out(shared_data):
    table = {row[0]: row[1:] for row in human_table(read_rated(shared_data("bench/viescore/human"), EDITING))}
    magicbrush = [round(value, 2) for value in table["MagicBrush"]]
    assert magicbrush == [0.51, 0.01, 0.65, 0.06, 0.47, 0.02, 0.44, 0.67]
    means = {model: tuple(round(values[place], 2) for place in (0, 2, 4)) for model, values in table.items()}
    assert means["InstructPix2Pix"] == (0.28, 0.70, 0.27)
    assert means["CycleDiffusion"] == (0.17, 0.56, 0.14)
    assert means["Prompt2prompt"] == (0.17, 0.55, 0.15)
    assert means["SDEdit"] == (0.04, 0.56, 0.04)
    assert table["Imagic"][-2:] == (None, None)


def test_the_rater_order_changes_published_figures_and_no_corrected_one(shared_data):
    names = flat_expected(json.loads(shared_data("bench/viescore/expected_gemini_0shot.json").read_text()))
    raw = read_judged(shared_data("bench/viescore/raw/results_gemini_0shot.json.gz"))
    rated = read_rated(shared_data("bench/viescore/human"), EDITING)
    straight = task_figures(EDITING, raw[EDITING], rated, names)
    turned = task_figures(EDITING, raw[EDITING], rated[::-1], names)
    assert straight.corrected == pytest.approx(turned.corrected, abs=1e-12)
    assert straight.rater_order == (0, 2, 1)


def test_official_prompts_give_their_labels(shared_data):
    prompts = json.loads(shared_data("bench/rededit/prompts.json").read_text())
    labels = {task: labels_of_prompt(prompt) for task, prompt in prompts.items()}
    assert all(len(found) == 3 for found in labels.values())
    assert labels["motion"] == ("Motion Fidelity", "Identity Preservation", "Visual & Anatomical Coherence")
    assert labels["text"][0] == "Text Instruction Compliance"


def tables(overall: float) -> dict:
    row = {"header": ["Model", "Add", "Remove", "Overall"], "rows": [["A", 4.0, 3.0, overall]]}
    return {
        "imgedit_table3": row,
        "rededit_cn_table5": {**row, "rows": []},
        "rededit_en_table6": {**row, "rows": []},
    }


@pytest.mark.parametrize(("overall", "agrees"), [(3.5, True), (3.51, True), (3.49, True), (3.52, False)])
def test_a_printed_overall_agrees_within_a_hundredth(overall, agrees):
    assert [row.agrees for row in report_rows(tables(overall))] == [agrees]


def test_gedit_averages_are_compared_to_the_last_printed_digit():
    groups = {"a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 4.004]}
    logs = {"en": {"rows": groups, "published_average": [1.5, 2.501, 4.002]}}
    assert [row.agrees for row in gedit_rows(logs)] == [True, False, True]


def test_a_case_without_a_verdict_is_told_and_counts_for_the_official_result_only():
    case = {
        "name": "new",
        "reply": "Prompt Compliance: 5",
        "official_scores": [5],
        "official_sample_score": 5.0,
    }
    (found,) = check_cases({"viescore_gedit": [], "imgedit_rededit_line_parser": [case]})
    assert (found.official, found.strict, found.written) == (True, False, False)
    assert "no verdict is written" in found.reason


def test_every_verdict_has_a_reason():
    assert all(reason for _, reason in [*JSON_VERDICTS.values(), *LINE_VERDICTS.values()])


def test_mutated_replies_do_no_harm():
    found = fuzz_parsers(600, seed=1)
    assert (found.crashes, found.out_of_range, found.refusals_scored) == (0, 0, 0), found.examples


def test_the_final_average_is_over_tasks_and_not_over_models():
    def task(name, rho):
        figures = {f"{name}|{measure}": rho for measure in ("SC", "PQ", "O")}
        return TaskFigures(figures, figures, figures, ())

    found = over_all_tasks({"a": task("a", 0.0), "b": task("b", 0.8)})
    assert found.published["all tasks|SC"] == pytest.approx(0.379949, abs=1e-6)  # tanh(0.4)
    assert found.fisher["all tasks|SC"] == pytest.approx(0.5, abs=1e-9)  # tanh(atanh(0.8) / 2)


def test_a_case_without_a_strict_verdict_holds_only_where_others_bring_it(tmp_path, shared_data):
    cases = json.loads(shared_data("bench/parser_cases.json").read_text(encoding="utf-8"))
    cases["imgedit_rededit_line_parser"][0]["name"] = "never seen"
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    holds = {
        verdicts: {figure.name: figure.holds for figure in parser_figures(tmp_path / "cases.json", verdicts)}
        for verdicts in ("known", "written")
    }
    assert [holds[verdicts]["parser.strict_verdicts"] for verdicts in ("known", "written")] == [False, True]
