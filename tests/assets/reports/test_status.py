import json

from assets.lake.run_step import run_step
from assets.lake.steps import Step, StepOutput
from assets.reports.status import status
from assets.training.config import Tracking

NOWHERE = Tracking("http://127.0.0.1:1", "e", "emberline-edit", artifact_location=None)


def finish(lake, name, facts, rows=1):
    step = Step(name, "1", {}, {})
    return run_step(lake, step, lambda: StepOutput((), rows, facts))


def test_an_empty_home_has_nothing_and_no_folder_is_made(lake):
    found = status(lake, NOWHERE)
    assert {name for name, value in found.items() if value is not None} == {"home", "disk_bytes"}
    assert found["disk_bytes"] == 0
    assert not lake.exists("")


def test_what_was_made_is_there_and_the_rest_is_null(lake):
    finish(lake, "funnel", {"funnel": [{"stage": "raw_images"}], "filters": None, "unreadable": []})
    finish(lake, "longtail", {"coverage": {"text": {"before": 1, "after": 3}}})
    made = finish(lake, "evaluator", {"auc": 0.97, "auc_instruction_only": 0.5, "auc_pictures_only": None})
    finish(lake, "sft", {"stage": "sft", "steps": 40, "losses": [1, 2], "version": "3", "world_size": 2})
    found = status(lake, NOWHERE)
    assert found["funnel"] == [{"stage": "raw_images"}]
    assert found["filters"] is None
    assert found["coverage"]["text"] == {"before": 1, "after": 3}
    assert found["evaluator"]["auc"] == 0.97
    assert found["evaluator"]["seconds"] == made.seconds
    [stage] = found["stages"]
    assert (stage["stage"], stage["steps"], stage["version"], stage["seconds"]) == ("sft", 40, "3", None)
    assert "losses" not in stage
    assert (found["bench"], found["registry"]) == (None, None)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_stages_come_in_the_order_in_which_they_train(lake):
    for stage in ("nft", "pretrain", "dpo"):
        finish(lake, stage, {"stage": stage})
    assert [row["stage"] for row in status(lake, NOWHERE)["stages"]] == ["pretrain", "dpo", "nft"]


def test_the_size_of_a_home_is_that_of_its_files_each_once(lake):
    lake.write_bytes("a/one", b"x" * 1000)
    lake.write_bytes("b/two", b"x" * 234)
    lake.local_path("b/link").symlink_to(lake.local_path("a/one"))
    assert status(lake, NOWHERE)["disk_bytes"] == 1234


def test_the_benchmark_is_shown_as_it_was_written(lake):
    finish(lake, "bench_report", {"kinds": {"blur": {}}})
    assert status(lake, NOWHERE)["bench"] == {"blur": {}}


def test_the_registry_is_asked_and_a_false_claim_is_said(lake, tmp_path):
    tracking = Tracking(f"sqlite:///{tmp_path}/mlflow.db", "e", "emberline-edit", artifact_location=None)
    decision = {"promoted": True, "reasons": ["there was no champion before"]}
    champion = {"stage": "nft", "version": "5"}
    finish(lake, "nft", {"stage": "nft", "version": "5", "pipeline_sha256": "0" * 64})
    finish(lake, "champion", {"name": "emberline-edit", "champion": champion, "decision": decision})
    found = status(lake, tracking)["registry"]
    assert found["aliases"] == {}
    assert len(found["problems"]) == 2
    assert all("5" in problem for problem in found["problems"])


def test_a_registry_that_does_not_answer_is_said(lake, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = Tracking("http://127.0.0.1:1", "e", "emberline-edit", artifact_location=None)
    decision = {"promoted": False, "reasons": ["a check failed"]}
    facts = {"name": "emberline-edit", "champion": {"stage": None, "version": None}, "decision": decision}
    finish(lake, "champion", facts)
    found = status(lake, nobody)["registry"]
    assert found["problems"]
    assert found["decision"] == decision
