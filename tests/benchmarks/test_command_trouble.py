"""`emberline bench` with a judge that fails, repeats a key or does not answer, and with nothing to score."""

import json

import pytest
from judged_run import judged, rededit_with_two_models, run
from loopback import as_json, chat, loopback
from toy_bench import reply

from models.vlm.replies import read_records


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    return rededit_with_two_models(tmp_path_factory.mktemp("bench"))


def test_where_nothing_is_scored_the_command_fails_and_says_why(arguments, tmp_path):
    (tmp_path / "empty").mkdir()
    suite = arguments[:4]
    for judge in ([], ["--judge", "openai:toy", "--judge-url", "http://127.0.0.1:9/v1"]):
        out = ["--out", tmp_path / "run", "--outputs", tmp_path / "empty"]
        said = run(*suite, *out, *judge, code=1)
        assert "Error: Nothing was scored: 8 samples, most of them missing_output: there is no output" in said
        assert (tmp_path / "run/index.html").exists()


def test_a_judge_that_nobody_runs_is_asked_a_few_times_and_no_more(arguments, tmp_path):
    with loopback(lambda asked, number: None) as server:
        pass  # the port is free again
    hosted = ["--judge", "openai:toy", "--judge-url", f"{server.url}/v1", "--retry-wait", "0"]
    said = run(*arguments, *hosted, "--out", tmp_path / "run", code=1)
    assert f"Cannot connect to {server.url} (4 tries in a row" in said
    assert "Start the service, or correct its address" in said
    assert list(read_records(tmp_path / "run/replies.jsonl")) == []


def test_a_judge_that_fails_six_times_and_then_answers_gives_both_views_the_same(arguments, tmp_path):
    good = chat(reply(5, 4, 4))
    busy = as_json({"error": "busy"}, 503)
    with loopback(lambda asked, number: busy if number < 6 else good) as server:
        hosted = ["--judge", "openai:toy", "--judge-url", f"{server.url}/v1", "--retry-wait", "0"]
        run(*arguments, *hosted, "--parallel", "1", "--out", tmp_path / "run")
    figures = json.loads((tmp_path / "run/report.json").read_text())
    states = figures["failures"]["mine"]
    assert states["official"] == states["strict"]
    assert states["official"]["api_failed"] == 1
    tries = sum(record["tries"] for record in read_records(tmp_path / "run/replies.jsonl"))
    assert tries == len(server.asked)


def test_a_key_that_a_judge_repeats_stands_in_no_file(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "SECRET/+1")

    def answer(asked, number):
        echo = f"You sent {asked.headers['authorization']} to https://host/?key=abcdefgh123"
        if number % 3 == 0:
            return as_json({"error": {"message": echo}}, 400)
        status, headers, data = chat(f"{echo}\n{reply(5, 4, 4)}")
        return status, headers, data.replace(b"SECRET", b"\\u0053ECRET") if number % 3 == 1 else data

    with loopback(answer) as server:
        hosted = ["--judge", "openai:toy", "--judge-url", f"{server.url}/v1"]
        said = run(*arguments, *hosted, "--out", tmp_path / "run", "--json", tmp_path / "run/figures.json")
    assert server.asked[0].headers["authorization"] == "Bearer SECRET/+1"
    written = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert len(written) > 8
    for content in (said.encode(), *written.values()):
        assert b"ECRET" not in content
        assert b"abcdefgh123" not in content
    assert b"[redacted]" in written[tmp_path / "run/replies.jsonl"]


def test_the_unedited_source_is_judged_where_it_is_asked_for_and_else_the_report_says_so(arguments, tmp_path):
    beside = judged(tmp_path / "mine", arguments).figures["references"]
    assert "Add --editor copy" in beside["note"]
    assert [row["figures"] for row in beside["rows"] if row["name"] == "Copying the source"] == [{}]
    copied = judged(tmp_path / "copied", arguments[:4], "--editor", "copy").figures
    assert copied["models"] == ["copy"]
    assert {row["scored"] for row in copied["figures"]} == {8}
    assert "Add --editor copy" not in copied["references"]["note"]
