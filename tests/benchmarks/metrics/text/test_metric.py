"""The text metric from pictures to report: what is read, what it is held against, what the reader is told."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.metrics.text.metric import TextMetric, measure_text
from benchmarks.metrics.text.targets import TextTarget, write_targets
from benchmarks.report.evaluate import evaluate
from benchmarks.scoring.score_outputs import Settings
from benchmarks.scoring.tools import text_metric
from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, SuiteError, picture_of_pixels
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.suite import Suite
from models.common.pixels import encode_png
from models.common.progress import silent
from models.ocr.text_reader import PpOcrReader

READER = PpOcrReader()


def sign(*lines: str) -> np.ndarray:
    """Returns a small white sign with lines of black letters."""
    picture = np.full((40 + 44 * len(lines), 240, 3), 255, np.uint8)
    for number, text in enumerate(lines):
        place = (14, 50 + 44 * number)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.1, (20, 20, 20), 3, cv2.LINE_AA)
    return picture


SOURCE = {
    "swap": sign("OPEN", "Cafe"),
    "gone": sign("OPEN", "Cafe"),
    "move": sign("Cafe", ""),
    "bold": sign("Cafe"),
}
TARGETS = [
    TextTarget("swap", "replace", old=("OPEN",), new=("CLOSED",), keep=("Cafe",), review="confirmed"),
    TextTarget("gone", "delete", old=("OPEN",), review="proposed"),
    TextTarget("move", "style", keep=("Cafe",), review="confirmed"),
    TextTarget("bold", "style", keep=("Cafe",), review="confirmed"),
]
GOOD = {
    "swap": sign("CLOSED", "Cafe"),
    "gone": sign("", "Cafe"),
    "move": sign("", "Cafe"),
    "bold": sign("Cafe"),
}
BAD = {
    "swap": sign("CLOSED OPEN", "Cave"),
    "gone": sign("OPEN", "Cafe"),
    "move": sign("", "Caffee"),
    "bold": sign("Caffee"),
}
DECIDED = ("swap", "gone", "move")


def items() -> list[BenchItem]:
    return [
        BenchItem(name, "text", "text", f"{name} the text", (picture_of_pixels(name, pixels),))
        for name, pixels in SOURCE.items()
    ]


def outputs(folder: Path, models: dict[str, dict[str, np.ndarray]]) -> dict[str, Outputs]:
    found = {}
    for model, pictures in models.items():
        (folder / model).mkdir(parents=True, exist_ok=True)
        paths = {name: folder / model / f"{name}.png" for name in pictures}
        for name, pixels in pictures.items():
            paths[name].write_bytes(encode_png(pixels))
        found[model] = Outputs(paths, {}, [])
    return found


def values(result) -> dict[tuple[str, str, str], float]:
    rows = (row for row in result.rows if row["values"])
    return {(row["model"], row["sample_id"], row["measure"]): row["values"][0] for row in rows}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    found = outputs(folder / "out", {"bad": BAD, "good": GOOD})
    result = measure_text(items(), found, TextMetric(TARGETS, READER), folder=folder, progress=silent)
    return folder, found, result


def test_right_texts_score_1_in_every_operation(made):
    found = values(made[2])
    assert {found["good", name, "OCR"] for name in DECIDED} == {1.0}
    assert found["good", "swap", "text_gone"] == 1
    assert found["good", "swap", "text_stayed"] == 1


def test_each_fault_is_told_by_its_own_figure(made):
    found = values(made[2])
    assert found["bad", "swap", "OCR"] == 1  # it says CLOSED, and OPEN as well
    assert found["bad", "swap", "text_gone"] == 0
    assert found["bad", "swap", "text_stayed"] < 0.8
    assert found["bad", "gone", "OCR"] == found["bad", "gone", "text_gone"] == 0
    assert found["bad", "move", "OCR"] < 0.8


def test_what_ocr_cannot_decide_is_unmeasured_for_every_model_and_counted(made):
    rows = [row for row in made[2].rows if row["sample_id"] == "bold"]
    assert {(row["model"], row["state"]) for row in rows} == {("bad", "unmeasured"), ("good", "unmeasured")}
    assert all("does not see" in row["note"] for row in rows)


def test_what_a_target_says_nothing_of_has_no_figure(made):
    found = values(made[2])
    assert ("good", "bold", "text_gone") not in found
    assert ("good", "gone", "text_stayed") not in found


def test_the_report_says_whose_the_metric_is_and_how_many_targets_nobody_reviewed(made):
    notes = " ".join(made[2].notes)
    assert "The text metric is ours" in notes
    assert "Weights: 0.4, 0.3, 0.3." in notes
    assert "0.05" in notes  # what case weighs
    assert "1 of 4 text targets are proposals of rules that nobody has reviewed" in notes
    facts = made[2].facts["text_metric"]
    counts = {"scored": 4, "scored_unreviewed": 1, "confirmed": 3, "proposed": 1, "rejected": 0}
    assert facts["targets"] == counts
    assert facts["reader"] == READER.identity


def test_where_old_and_new_texts_stand_is_told_by_sample(made):
    def rows(box) -> tuple[float, float]:
        heights = [corner[1] for corner in box]
        return min(heights), max(heights)

    _, _, result = made
    assert set(result.places) == set(SOURCE)
    for name, line in (("swap", 0), ("gone", 0), ("bold", 0)):
        (box,) = result.places[name].source
        low, high = rows(box)
        assert low < 40 + 44 * line < high < 40 + 44 * (line + 1)  # the other line is no place of the edit
    (box,) = result.places["swap"].outputs["good"]
    assert rows(box)[0] < 40 < rows(box)[1]
    assert result.places["gone"].outputs == {"bad": [], "good": []}


def test_what_was_read_is_kept_by_sample(made):
    records = [json.loads(line) for line in (made[0] / "text_scores.jsonl").read_text().splitlines()]
    (record,) = [row for row in records if (row["model"], row["id"]) == ("bad", "bold")]
    assert record["lines"] == ["Caffee"]
    assert record["parts"]["found"] == ["Caffee"]


def test_a_second_run_reads_no_picture_again_and_other_targets_cost_no_reading(made):
    folder, found, before = made

    class Blind(PpOcrReader):
        def read(self, image):
            raise AssertionError("a picture was read again")

    again = measure_text(items(), found, TextMetric(TARGETS, Blind()), folder=folder, progress=silent)
    assert again.rows == before.rows
    changed = [replace(TARGETS[0], new=("SHUT",)), *TARGETS[1:]]
    other = measure_text(items(), found, TextMetric(changed, Blind()), folder=folder, progress=silent)
    assert values(other)["good", "swap", "OCR"] < 0.5


def test_a_line_that_a_kill_cut_short_is_read_again(made, tmp_path):
    folder, found, before = made
    whole = (folder / "texts.jsonl").read_bytes()
    (tmp_path / "texts.jsonl").write_bytes(whole[:-40])
    again = measure_text(items(), found, TextMetric(TARGETS, READER), folder=tmp_path, progress=silent)
    assert again.rows == before.rows


def test_rejected_empty_unreadable_and_foreign_targets_are_left_out_and_told(made):
    folder, found, _ = made
    targets = [
        replace(TARGETS[0], review="rejected"),
        TextTarget("gone", "delete"),
        TextTarget("bold", "style", keep=("한글",)),
        TextTarget("elsewhere", "add", new=("x",)),
    ]
    result = measure_text(items(), found, TextMetric(targets, READER), folder=folder, progress=silent)
    assert result.rows == []
    notes = " ".join(result.notes)
    assert "1 text targets name no text and are not scored, gone for one" in notes
    assert "signs that this OCR never names and are not scored: bold has '글한'" in notes
    assert "1 text targets are of no sample of this suite, elsewhere for one" in notes


def test_a_text_that_cannot_be_read_in_the_source_cannot_be_seen_to_go(made):
    folder, found, _ = made
    targets = [TextTarget("bold", "delete", old=("OPEN",))]
    result = measure_text(items(), found, TextMetric(targets, READER), folder=folder, progress=silent)
    assert {(row["measure"], row["state"]) for row in result.rows} == {
        ("OCR", "unmeasured"),
        ("text_gone", "unmeasured"),
    }


def test_missing_and_broken_outputs_are_the_worst_case_and_no_score(made, tmp_path):
    folder, _, _ = made
    found = outputs(tmp_path, {"mine": {"swap": GOOD["swap"]}})
    (tmp_path / "mine/gone.png").write_bytes(b"no picture")
    found["mine"].paths["gone"] = tmp_path / "mine/gone.png"
    result = measure_text(items(), found, TextMetric(TARGETS, READER), folder=folder, progress=silent)
    states = {row["sample_id"]: row["state"] for row in result.rows if row["measure"] == "OCR"}
    lost = dict.fromkeys(SOURCE, "missing_output")
    assert states == {**lost, "swap": "ok"}


def test_without_its_source_nothing_can_be_held_against_it_and_every_metric_says_so(made, tmp_path):
    _, found, _ = made

    def gone():
        raise MissingPictureError("swap.png cannot be read")

    lost = [replace(one, sources=(Picture("swap.png", gone),)) for one in items()]
    result = measure_text(lost, found, TextMetric(TARGETS, READER), folder=tmp_path, progress=silent)
    rows = [row for row in result.rows if row["model"] == "good"]
    told = {(row["sample_id"], row["measure"]): row["state"] for row in rows}
    assert told == {
        (name, measure): "missing_source"
        for name, measures in {
            "swap": ("OCR", "text_gone", "text_stayed"),
            "gone": ("OCR", "text_gone"),
            "move": ("OCR",),
            "bold": ("OCR",),
        }.items()
        for measure in measures
    }
    assert {row["note"] for row in rows} == {"swap.png cannot be read"}


def test_the_same_samples_count_for_a_model_without_outputs(made, tmp_path):
    found = {**made[1], "none": Outputs({}, {"swap": "there is no output swap.png"}, [])}
    result = measure_text(items(), found, TextMetric(TARGETS, READER), folder=tmp_path, progress=silent)
    of = {model: set() for model in found}
    for row in result.rows:
        of[row["model"]].add((row["sample_id"], row["measure"]))
    assert of["none"] == of["good"] == of["bad"]
    notes = {row["note"] for row in result.rows if row["model"] == "none" and row["sample_id"] == "swap"}
    assert notes == {"there is no output swap.png"}


def test_text_leads_where_no_judge_and_no_nearer_truth_does(made, tmp_path):
    _, found, _ = made
    suite = Suite("plain", "Signs", "en", items(), None)
    settings = Settings(text=TextMetric(TARGETS, READER), bootstraps=50)
    result = evaluate(
        suite, found, judge=None, folder=tmp_path, settings=settings, made_with={}, progress=silent
    )
    assert result.champion == "good"
    assert result.figures["models"] == ["good", "bad"]
    first = [row for row in result.figures["figures"] if row["measure"] == "OCR"]
    assert {row["model"]: row["value"] for row in first}["good"] == 1
    assert all(row["low"] <= row["value"] <= row["high"] for row in first)
    assert first[0]["low"] < first[0]["high"]  # of the bad one, by three samples
    assert {(row["scored"], row["samples"]) for row in first} == {(3, 4)}
    (copying,) = result.figures["references"]["rows"]
    assert copying["name"] == "Copying the source"
    assert (copying["figures"]["OCR"], copying["figures"]["text_gone"]) == (0, 0)
    assert copying["tasks"] == {"text": 0}
    page = result.page.read_text(encoding="utf-8")
    assert "Text as OCR reads it" in page
    assert "nobody has reviewed" in page


def test_weights_are_given_as_three_numbers(tmp_path):
    suite = Suite("plain", "Signs", "en", [replace(items()[0], expected_text="CLOSED")], None)
    metric = text_metric(suite, None, "0.5,0.25,0.25")
    assert metric is not None
    assert metric.weights.levenshtein == 0.5
    assert metric.targets[0].review == "confirmed"
    for wrong in ("1", "0.5,0.5,0.5", "a,b,c", "0.25,0.25,0.25,0.25", "-1,1,1", "nan,0.5,0.5"):
        with pytest.raises(SuiteError, match="three numbers that add up to 1"):
            text_metric(suite, None, wrong)
    assert text_metric(Suite("plain", "Signs", "en", items(), None), None, None) is None


def run(*arguments) -> str:
    done = CliRunner().invoke(bench, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def plain(tmp_path):
    """A suite of one's own with finished outputs of two models, as arguments of the command."""
    rows = []
    for name, pixels in SOURCE.items():
        (tmp_path / f"{name}.png").write_bytes(encode_png(pixels))
        ask = f"{name} the text"
        rows.append({"id": name, "task": "text", "instruction": ask, "sources": [f"{name}.png"]})
    rows[0]["expected_text"] = "CLOSED"
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outputs(tmp_path / "out", {"good": GOOD, "bad": BAD})
    places = [part for model in ("bad", "good") for part in ("--outputs", tmp_path / "out" / model)]
    return ["--suite", "plain", "--data", tmp_path, *places, "--out", tmp_path / "run"]


def test_a_suite_that_states_a_text_gets_the_metric_unasked(plain, tmp_path):
    run(*plain, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["text_metric"]["targets"]["scored"] == 1
    assert {row["measure"] for row in figures["figures"]} >= {"OCR", "present", "shift", "zoom"}


def test_targets_from_a_file_and_a_judge_of_text_go_together(plain, tmp_path):
    write_targets(tmp_path / "targets.jsonl", TARGETS)
    reply = "Reasoning: fine.\nSuccessEdit: {}\nOverEdit: 9\nStyle: 8\nConsistency: 7"
    (tmp_path / "replies.json").write_text(json.dumps({name: reply.format(10) for name in SOURCE}))
    only_good = [part for part in plain if part != tmp_path / "out/bad"]
    only_good.remove("--outputs")
    run(*only_good, "--questions", "text", "--judge", f"replay:{tmp_path / 'replies.json'}",
        "--text", tmp_path / "targets.jsonl", "--json", tmp_path / "figures.json")  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    found = {(row["measure"], row["view"]): row["value"] for row in figures["figures"]}
    assert found["SuccessEdit", "strict"] == 10
    assert found["Consistency", "official"] == 7
    assert found["OCR", "measured"] == 1
    assert ("shift", "measured") not in found  # companions have to be asked for beside a judge
    assert figures["official_prompts"] is False


def test_a_broken_target_file_is_a_message(plain, tmp_path):
    (tmp_path / "targets.jsonl").write_text("{")
    done = CliRunner().invoke(bench, [*map(str, plain), "--text", str(tmp_path / "targets.jsonl")])
    assert done.exit_code == 1
    assert "is not JSON" in done.output


@pytest.mark.slow
def test_five_real_outputs_come_out_in_an_order_with_what_their_intervals_are_worth(shared_data, tmp_path):
    rows = [json.loads(line) for line in shared_data("pairs/pairs.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["id"].startswith("blind_eval_demo/")]
    listed = {name: rows[0][name] for name in ("instruction", "expected_text")}
    listed |= {"id": "1470", "task": "text", "sources": ["edit_example.png"]}
    (tmp_path / "items.jsonl").write_text(json.dumps(listed))
    places = []
    for row in rows:
        place = tmp_path / "out" / row["target_kind"].removeprefix("model:")
        place.mkdir(parents=True)
        (place / "1470.png").write_bytes(shared_data(row["target"]).read_bytes())
        places += ["--outputs", place]
    images = shared_data("pairs/blind_eval_demo")
    run("--suite", "plain", "--data", tmp_path, "--images", images, *places, "--out", tmp_path / "run",
        "--json", tmp_path / "figures.json")  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    scores = {row["model"]: row for row in figures["figures"] if row["measure"] == "OCR"}
    assert len(scores) == 5
    assert figures["models"][-1] == "Seedream4.0"  # its line is ten pixels high and half legible
    assert scores["Seedream4.0"]["value"] < 0.8
    assert all(row["low"] == row["value"] == row["high"] for row in scores.values())
    assert any("have no width" in note for note in figures["notes"])
    assert any("Equal in the first figure" in note for note in figures["notes"])
    assert "have no width" in (tmp_path / "run/index.html").read_text()
