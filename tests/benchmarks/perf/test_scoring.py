"""The script of bars 3 and 6, over few samples."""

import json

import pytest

from benchmarks.parsing.reading import State
from benchmarks.perf import scoring
from benchmarks.perf.figures import Figure, show_figures, show_table, write_figures
from benchmarks.perf.judge_server import MISDEEDS, lasting_deed, misbehave
from benchmarks.perf.stored_run import store_run, write_suite
from benchmarks.suites.catalogue import load_suite
from models.vlm.replies import Replies


@pytest.mark.slow
def test_every_figure_of_the_script_comes_out_under_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "SAMPLES", 24)
    monkeypatch.setattr(scoring, "KILLS", (6,))
    scoring.main(["--samples", "12", "--side", "48", "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [list(figure) for figure in figures] == [["name", "value", "unit", "goal", "holds"]] * len(figures)
    values = {figure["name"]: figure["value"] for figure in figures}
    assert (values["judge.unaccounted"], values["judge.asked_twice"]) == (0, 0)
    assert {"scoring.seconds", "scoring.memory_ratio_4x", "report.megabytes"} <= set(values)


def test_a_bad_day_brings_every_misdeed_some_of_them_for_ever():
    names = [str(number) for number in range(1, scoring.SAMPLES + 1)]
    first = {misbehave(name, 1) for name in names}
    assert first == {"good", *MISDEEDS}
    lasting = {lasting_deed(name) for name in names}
    assert {"good", "refuse", "filter", "empty"} <= lasting
    for name in names:
        assert misbehave(name, 10**6) == lasting_deed(name)
    assert set(scoring.EXPECTED) == first


def test_what_has_an_answer_is_asked_twice_whoever_got_it():
    names = [str(number) for number in range(1, scoring.SAMPLES + 1)]
    good = next(name for name in names if misbehave(name, 1) == "good")
    slow = next(name for name in names if misbehave(name, 1) == "throttle" and misbehave(name, 2) == "good")
    assert scoring.asked_twice([good, slow, slow], 0, set()) == 0
    assert scoring.asked_twice([good, slow, slow, good, slow], 0, set()) == 2
    assert scoring.asked_twice([good, good], 1, set()) == 0  # killed before the answer was on the disk
    assert scoring.asked_twice([good, good], 1, {good}) == 1


def test_a_stored_run_has_one_readable_reply_a_sample_and_model(tmp_path):
    names = write_suite(tmp_path / "data", 17, side=32)
    places = store_run(tmp_path, names, models=2, side=32, replies=True)
    assert set(places) == {"model0", "model1"}
    store = Replies(tmp_path / "stored" / "replies.jsonl")
    suite = load_suite("rededit", data=tmp_path / "data", images=None, lang="en")
    assert len(suite.items) == 17
    assert len(store._positions) == 34  # no two files are equal, so no answer is shared
    for key in store._positions:
        record = store.get(key)
        question = suite.protocol.questions(suite.items[0])[0]
        assert suite.protocol.read["strict"](question, record["reply"], 1).state is State.OK
    store.close()


def test_figures_are_shown_and_written_as_a_list_of_objects(tmp_path, capsys):
    figures = [Figure("a.b", 1.23456, "s", "< 2", True), Figure("c", 3, "", "0", False)]
    show_figures(figures)
    write_figures(tmp_path / "figures.json", figures)
    shown = capsys.readouterr().out
    assert "1.2346" in shown
    assert "NO" in shown
    assert json.loads((tmp_path / "figures.json").read_text())[1] == {
        "name": "c", "value": 3, "unit": "", "goal": "0", "holds": False,
    }  # fmt: skip
    show_table("x", ("a",), [(None,)])
    assert "–" in capsys.readouterr().out
