"""`emberline bench` from its words to its files: what is asked, written, said, and kept."""

import base64
import csv
import json
import re
from pathlib import Path

import mlflow
import polars as pl
import pytest
from judged_run import judged, rededit_with_two_models, run
from loopback import as_json, loopback
from mlflow import MlflowClient
from page import Page
from skimage import data
from toy_bench import gedit, imgedit, item, kris, outputs, write
from toy_suite import picture

from benchmarks.parsing.lines import official_scores
from benchmarks.perf.scoring import judge_figures
from benchmarks.report.evaluate import evaluate
from benchmarks.report.report import FIGURES_SHOWN
from benchmarks.report.tracking import metrics_of
from benchmarks.scoring.aggregate import RULES, Scored, aggregate
from benchmarks.scoring.score_outputs import Settings
from benchmarks.suites.catalogue import load_suite
from benchmarks.suites.item import SuiteError, picture_of_pixels
from benchmarks.suites.plain import write_plain
from models.common.pixels import encode_png
from models.common.progress import silent
from models.vlm.replies import read_records


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    return rededit_with_two_models(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def made(arguments, tmp_path_factory):
    return judged(tmp_path_factory.mktemp("made"), arguments, model="gemini:flash")


@pytest.fixture(scope="module")
def page(made):
    return Page((made.folder / "index.html").read_text(encoding="utf-8"))


def figure(figures, **wanted):
    (row,) = [row for row in figures["figures"] if all(row[name] == value for name, value in wanted.items())]
    return row


def test_every_output_is_judged_once_and_the_rest_is_told(made):
    assert made.asked == 8 + 6
    figures = made.figures
    mine, theirs = (figure(figures, model=name, view="official") for name in ("mine", "theirs"))
    assert (mine["scored"], mine["samples"], mine["complete"]) == (8, 8, True)
    assert (theirs["scored"], theirs["coverage"], theirs["complete"]) == (6, 0.75, False)
    assert theirs["missing_as_worst"] < theirs["value"]
    assert figures["failures"]["theirs"]["official"] == {"missing_output": 2, "ok": 6}
    assert figures["judge"]["judge"] == "gemini"
    assert figures["official_prompts"] is True


def test_the_headline_is_what_the_official_script_would_print(made):
    samples = [
        Scored(
            ("add", "text")[int(record["place"][1]) % 2], tuple(official_scores(record["reply"], str.strip))
        )
        for record in read_records(made.folder / "replies.jsonl")
        if record["place"][0] == "mine"
    ]
    headline = figure(made.figures, model="mine", view="official")["value"]
    assert headline == aggregate(samples, RULES["rededit"]).overall


def test_page_json_and_csv_hold_the_same_numbers(made, page):
    figures = made.figures
    table = pl.read_csv(made.folder / "figures.csv")
    assert [{**row} for row in table.to_dicts()] == [{**row} for row in figures["figures"]]
    tasks = pl.read_csv(made.folder / "tasks.csv")
    assert tasks.to_dicts() == figures["tasks"]
    words = " ".join(page.words)
    for row in figures["figures"]:
        assert f"{row['value']:.2f}" in words
        assert f"[{row['low']:.2f}, {row['high']:.2f}]" in words
        assert f"{row['scored']} of {row['samples']}" in words
        assert f"{row['missing_as_worst']:.2f}" in words
    for row in figures["tasks"]:
        assert f"{row['value']:.2f}" in words
    scores = list(csv.DictReader((made.folder / "scores.csv").open(encoding="utf-8")))
    assert len(scores) == 2 * 2 * 8
    official = [row for row in scores if (row["model"], row["view"]) == ("mine", "official")]
    by_sample = {row["sample_id"]: [float(value) for value in row["values"].split()] for row in official}
    samples = [Scored(row["task"], tuple(by_sample[row["sample_id"]])) for row in official]
    headline = figure(figures, model="mine", view="official")["value"]
    assert aggregate(samples, RULES["rededit"]).overall == headline


def test_the_page_says_who_judged_how_and_what_is_incomplete(made, page):
    words = " ".join(page.words)
    assert "REDEdit-Bench, official prompts" in words
    assert "gemini" in words
    assert "model flash" in words
    assert "not comparable" not in words
    spans = [one for one in page.attributes("span") if "partial" in (one.get("class") or "")]
    assert spans  # the headline of a model that lacks samples is marked
    assert "FireRed-Image-Edit" in words  # the published rows stand beside
    assert "missing_output" in words
    assert "This copy of REDEdit-Bench, English lacks 1,534 of its 1,542 samples" in words
    assert (made.figures["expected_samples"], made.figures["suite_complete"]) == (1542, False)


def test_every_reply_on_the_page_names_its_record_in_the_store(made, page):
    words = " ".join(page.words)
    stored = list(read_records(made.folder / "replies.jsonl"))
    keys = set(re.findall(r"key ([0-9a-f]{16})", words))
    assert keys == {record["key"][:16] for record in stored}
    for record in stored:
        assert record["reply"].splitlines()[-1] in words
    assert "replies.jsonl" in {link["href"] for link in page.attributes("a")}


def test_what_is_printed_is_what_is_written(made):
    mine = figure(made.figures, model="mine", view="official")
    assert f"{mine['value']:.3f}" in made.printed
    assert "⚠" in made.printed
    assert str(made.folder / "index.html") in made.printed.replace("\n", "")


def test_the_demand_names_weak_categories(made):
    demand = json.loads((made.folder / "demand.json").read_text())
    assert demand["model"] == made.figures["models"][0]
    assert set(demand["demand"]) <= {"add", "text"}


def test_a_second_run_asks_nothing_and_writes_the_same(arguments, made, tmp_path):
    before = {path.name: path.read_bytes() for path in made.folder.iterdir() if path.is_file()}
    for path in made.folder.iterdir():
        if path.is_file():
            write(tmp_path / "run" / path.name, path.read_bytes())
    stored = (tmp_path / "run" / "replies.jsonl").read_bytes()
    address = json.loads(stored.splitlines()[0])["judge"]["url"]
    run(
        *arguments, "--judge", "gemini:flash", "--judge-url", address, "--out", tmp_path / "run"
    )  # nobody is there
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert after == before


def test_stored_replies_are_replayed_without_a_judge(arguments, made, tmp_path):
    replies = made.folder / "replies.jsonl"
    written = ["--out", tmp_path / "again", "--json", tmp_path / "figures.json"]
    run(*arguments, "--judge", f"replay:{replies}", *written)
    again = json.loads((tmp_path / "figures.json").read_text())
    assert again["figures"] == made.figures["figures"]
    assert again["judge"]["answered_by"] == [made.figures["judge"]]
    assert again == json.loads((tmp_path / "again" / "report.json").read_text())


def test_repeats_show_the_spread_of_the_judge(arguments, tmp_path):
    made = judged(tmp_path, arguments, "--repeats", "2")
    row = figure(made.figures, model="mine", view="strict")
    assert (row["repeats"], row["spread"]) == (2, 0.0)  # this judge is steady
    assert made.asked == 2 * 14
    assert "Spread of repeats" in (made.folder / "index.html").read_text()


def test_figures_are_metrics_of_mlflow_to_the_last_digit(arguments, made, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    replies = made.folder / "replies.jsonl"
    client = MlflowClient(uri)
    client.create_experiment("bench", artifact_location=str(tmp_path / "artifacts"))
    printed = run(
        *arguments, "--judge", f"replay:{replies}", "--out", tmp_path / "run",
        "--tracking-uri", uri, "--experiment", "bench",
    )  # fmt: skip
    assert mlflow.get_tracking_uri() == before
    run_id = re.search(r"as run (\w+)", printed).group(1)
    found = client.get_run(run_id)
    expected = dict(metrics_of(json.loads((tmp_path / "run" / "report.json").read_text())))
    assert found.data.metrics == expected
    headline = figure(made.figures, model="mine", view="official")["value"]
    assert found.data.metrics["mine/score/official/value"] == headline
    assert "theirs/score/strict/task/add" in expected
    assert found.data.params["suite"] == "rededit"
    assert found.data.params["judge.judge"] == "replay"
    assert found.info.status == "FINISHED"
    names = {file.path for file in client.list_artifacts(run_id)}
    assert names == {"index.html", *made.figures["files"]}
    assert {"replies.jsonl", "demand.json"} <= names


def test_names_that_mlflow_refuses_are_changed_and_no_number_is_lost(made):
    figures = json.loads(json.dumps(made.figures).replace('"mine"', '"a/b: c*"'))
    names = [name for name, _ in metrics_of(figures)]
    assert len(set(names)) == len(names)
    assert "a_b_ c_/score/official/value" in names


@pytest.mark.parametrize(
    ("suite", "write_files", "metrics"),
    [
        ("imgedit", imgedit, ["score"]),
        ("imgedit_uge", imgedit, ["score"]),
        ("gedit", gedit, ["O", "SC", "PQ"]),
        ("gedit_local", lambda folder: gedit(folder, "arrow"), ["O", "SC", "PQ"]),
        ("kris", kris, ["score", "consistency", "quality", "instruction", "knowledge"]),
    ],
)
def test_every_kind_of_suite_goes_through_the_command(tmp_path, suite, write_files, metrics):
    write_files(tmp_path / "data")
    items = load_suite(suite, data=tmp_path / "data", images=None, lang="en").items
    outputs(tmp_path / "mine", items)
    arguments = ["--suite", suite, "--data", str(tmp_path / "data"), "--outputs", str(tmp_path / "mine")]
    made = judged(tmp_path, arguments)
    assert [row["measure"] for row in made.figures["figures"] if row["view"] == "strict"] == metrics
    assert all(row["complete"] for row in made.figures["figures"])
    Page((made.folder / "index.html").read_text(encoding="utf-8"))


def test_without_a_judge_presence_and_nearness_to_a_truth_are_measured(tmp_path):
    truth = item("1").sources[0]
    items = [item("1", truth=truth), item("2", truth=truth), item("3")]
    write_plain(tmp_path / "suite", items)
    outputs(tmp_path / "mine", items[:1], shift=0)
    write(tmp_path / "mine" / "2.png", b"broken")
    outputs(tmp_path / "mine", items[2:])
    suite = ["--suite", "plain", "--data", tmp_path / "suite"]
    run(*suite, "--outputs", tmp_path / "mine", "--out", tmp_path / "run")
    figures = json.loads((tmp_path / "run" / "report.json").read_text())
    assert figures["judge"] is None
    psnr = figure(figures, measure="psnr")
    assert (psnr["value"], psnr["scored"], psnr["samples"]) == (100.0, 1, 2)
    assert figure(figures, measure="present")["coverage"] == pytest.approx(2 / 3)


def test_without_a_judge_every_missing_value_is_counted_with_its_reason(tmp_path):
    truth = item("1").sources[0]
    wide = picture_of_pixels("truth", picture("wide", 32, 48))
    write_plain(
        tmp_path / "suite",
        [item("1", truth=truth), item("2", truth=wide), item("3", truth=truth), item("4", truth=truth)],
    )
    outputs(tmp_path / "mine", [item(name) for name in "1234"])
    write(tmp_path / "suite" / "pictures" / "3-truth.png", b"broken")
    (tmp_path / "suite" / "pictures" / "4-source0.png").unlink()
    suite = ["--suite", "plain", "--data", tmp_path / "suite", "--no-companions"]
    run(*suite, "--outputs", tmp_path / "mine", "--out", tmp_path / "run")
    rows = pl.read_csv(tmp_path / "run" / "scores.csv").to_dicts()
    states = {(row["measure"], row["sample_id"]): row["state"] for row in rows}
    assert [states["psnr", number] for number in (1, 2, 3, 4)] == [
        "ok", "unmeasured", "missing_source", "missing_source",
    ]  # fmt: skip
    assert [states["present", number] for number in (1, 2, 3, 4)] == ["ok", "ok", "ok", "missing_source"]
    notes = {(row["measure"], row["sample_id"]): row["note"] for row in rows}
    assert notes["psnr", 2] == "the output is 32 x 32, the known truth 48 x 32"
    assert "3-truth.png" in notes["psnr", 3]
    assert "4-source0.png cannot be read" in notes["present", 4]
    psnr = figure(json.loads((tmp_path / "run" / "report.json").read_text()), measure="psnr")
    assert (psnr["scored"], psnr["samples"], psnr["complete"]) == (1, 4, False)


def test_no_published_score_but_copying_stands_beside_figures_of_another_scale(arguments, tmp_path):
    run(*arguments, "--out", tmp_path / "run")
    figures = json.loads((tmp_path / "run" / "report.json").read_text())
    assert figures["judge"] is None
    assert figures["references"]["source"] == "this run"
    (copying,) = figures["references"]["rows"]
    assert (copying["name"], copying["tasks"]) == ("Copying the source", {})
    assert copying["figures"] == pytest.approx({"shift": 0, "zoom": 0}, abs=1e-5)
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    for words in ("FireRed-Image-Edit", "✓", "✗"):
        assert words not in page


def test_our_rubric_is_named_as_ours(tmp_path):
    write_plain(tmp_path / "suite", [item("1")])
    outputs(tmp_path / "mine", [item("1")])
    arguments = ["--suite", "plain", "--data", str(tmp_path / "suite"), "--outputs", str(tmp_path / "mine")]
    made = judged(tmp_path, arguments)
    assert made.figures["official_prompts"] is False
    assert "cannot be compared with published ones" in (made.folder / "index.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--outputs", "a=/nowhere"], "the folder /nowhere does not exist"),
        (["--outputs", "mine={mine}", "--outputs", "mine={mine}"], "Each model needs a unique name"),
        (["--outputs", "a={mine}", "--editor", "a=x"], "Each model needs a unique name"),
        (["--outputs", "a/b={mine}"], "Each model needs a unique name"),
        (["--outputs", "..={mine}"], "Each model needs a unique name"),
        (["--outputs", "mine={mine}", "--judge", "magic:x"], "is not a judge"),
        (["--outputs", "mine={mine}", "--lang", "de"], "Invalid value for '--lang'"),
        (["--editor", "nowhere"], "is not an editor"),
        (["--editor", "nowhere", "--shard", "4/4"], "expected K/N with K from 0 to N-1"),
        (["--outputs", "mine={mine}", "--judge", "openai:x", "--judge-url", "ftp://x"], "is not an address"),
        ([], "There is nothing to score"),
    ],
)
def test_mistakes_say_what_would_be_right(arguments, tmp_path, changes, message):
    mine = Path(arguments[arguments.index("--data") + 1]).parent / "mine"
    base = [*arguments[:4], *(one.format(mine=mine) for one in changes), "--out", tmp_path / "run"]
    code = 2 if "Invalid" in message else 1
    assert message in run(*base, code=code).replace("\n", " ")


def test_a_judge_that_refuses_every_request_ends_the_run_with_its_words(arguments, tmp_path):
    with loopback(lambda asked, number: as_json({"error": {"message": "Incorrect API key"}}, 401)) as server:
        hosted = ["--judge", "openai:x", "--judge-url", f"{server.url}/v1", "--out", tmp_path / "run"]
        printed = run(*arguments, *hosted, code=1)
    assert "The service refuses every request. status 401" in printed.replace("\n", " ")


def test_a_run_killed_outright_asks_no_answered_question_again(tmp_path):
    unaccounted, twice = judge_figures(tmp_path, 40, kills=(12, 28))
    assert (unaccounted.value, twice.value) == (0, 0)


def test_shards_make_outputs_and_the_whole_run_collects_them(tmp_path, arguments):
    picture = base64.b64encode(encode_png(item("x").sources[0].pixels())).decode()
    with loopback(lambda asked, number: as_json({"data": [{"b64_json": picture}]})) as server:
        editor = [*arguments[:4], "--editor", f"{server.url}/v1#edit-1", "--out", tmp_path / "run"]
        for shard in ("0/2", "1/2"):
            assert "Made this shard's outputs" in run(*editor, "--shard", shard)
        assert len(server.asked) == 8
        run(*editor)
        assert len(server.asked) == 8
    figures = json.loads((tmp_path / "run" / "report.json").read_text())
    assert figures["models"] == ["edit-1"]
    assert figure(figures, measure="present")["complete"]
    assert figures["settings"]["edit-1"]["num_inference_steps"] == 40


def test_a_broken_store_of_replies_is_a_message(tmp_path, arguments):
    stored = write(tmp_path / "run" / "replies.jsonl", b"[]\n")
    hosted = ["--judge", "openai:x", "--judge-url", "http://127.0.0.1:9/v1", "--out", tmp_path / "run"]
    for judge in (hosted, ["--judge", f"replay:{stored}"]):
        printed = run(*arguments, *judge, code=1).replace("\n", " ")
        assert "there is no stored reply at byte 0" in printed


def test_a_folder_of_results_that_somebody_else_made_is_never_emptied(tmp_path, arguments):
    precious = write(tmp_path / "run" / "outputs" / "edit-1" / "precious.png", b"x")
    editor = [*arguments[:4], "--editor", "http://127.0.0.1:9/v1#edit-1", "--out", tmp_path / "run"]
    assert "contains files that no editor made here" in run(*editor, code=1).replace("\n", " ")
    assert precious.exists()


def test_help_names_every_suite_and_shows_whole_commands():
    text = run("--help")
    for words in (
        "rededit",
        "imgedit",
        "gedit",
        "risebench",
        "kris",
        "textedit",
        "plain",
        "--judge",
        "replay:",
    ):
        assert words in text


def test_an_evaluation_without_models_is_refused(tmp_path):
    suite = load_suite("kris", data=kris(tmp_path), images=None, lang="en")
    with pytest.raises(SuiteError, match="nothing to score"):
        evaluate(suite, {}, judge=None, folder=tmp_path, settings=Settings(), made_with={}, progress=silent)


def test_the_page_shows_every_figure_of_an_output_and_links_all_that_they_were_made_of(tmp_path):
    source = data.astronaut()[:256, :256]
    truth = source.copy()
    truth[20:60, 20:60] = 255
    held = [picture_of_pixels(name, pixels) for name, pixels in (("source", source), ("truth", truth))]
    known = item(sources=(held[0],), truth=held[1], instruction="Write “OPEN”", expected_text="OPEN")
    write_plain(tmp_path / "data", [known])
    outputs(tmp_path / "mine", [known])
    arguments = ["--suite", "plain", "--data", tmp_path / "data", "--outputs", tmp_path / "mine"]
    run(*arguments, "--companions", "--out", tmp_path / "run")
    page = Page((tmp_path / "run" / "index.html").read_text(encoding="utf-8"))
    linked = {link["href"] for link in page.attributes("a")}
    files = {"texts.jsonl", "text_scores.jsonl", "companions.jsonl", "demand.json", "figures.csv"}
    assert files <= linked
    assert files <= set(json.loads((tmp_path / "run" / "report.json").read_text())["files"])
    assert all((tmp_path / "run" / name).exists() for name in linked if not name.startswith("#"))
    told = {words.split()[0] for words in page.words if words.strip()}
    scored = pl.read_csv(tmp_path / "run" / "scores.csv").filter(state="ok")["measure"].unique().to_list()
    assert len(scored) > FIGURES_SHOWN
    assert set(scored) <= told
