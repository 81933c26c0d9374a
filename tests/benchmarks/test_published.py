"""Published figures come out again from the released raw outputs; skips where those are missing."""

import gzip
import json

import pytest

from benchmarks.parsing.lines import labels_of_prompt
from benchmarks.perf import published
from benchmarks.perf.fuzz import fuzz_parsers
from benchmarks.perf.parser_cases import JSON_VERDICTS, LINE_VERDICTS, check_cases
from benchmarks.perf.printed_tables import gedit_rows, report_rows
from benchmarks.perf.viescore_release import (
    TaskFigures,
    flat_expected,
    human_table,
    irregular_replies,
    over_all_tasks,
    read_judged,
    read_rated,
    task_figures,
)

EDITING = "ImagenHub_Text-Guided_IE"


def test_every_figure_of_the_release_holds(shared_data, tmp_path, capsys):
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


def test_a_case_without_a_verdict_does_not_pass():
    case = {
        "name": "new",
        "reply": "Prompt Compliance: 5",
        "official_scores": [5],
        "official_sample_score": 5.0,
    }
    (found,) = check_cases({"viescore_gedit": [], "imgedit_rededit_line_parser": [case]})
    assert found.official
    assert not found.strict


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
