import json

import pytest

from assets.lake.steps import Step, StepOutput, run_step
from assets.reports.status import status


def finish(lake, name, facts, rows=1):
    step = Step(name, "1", {}, {})
    return run_step(lake, step, lambda: StepOutput((), rows, facts))


def test_an_empty_home_has_nothing_and_no_folder_is_made(lake):
    found = status(lake)
    assert {name for name, value in found.items() if value is not None} == {"home", "disk_bytes"}
    assert found["disk_bytes"] == 0
    assert not lake.exists("")


def test_what_was_made_is_there_and_the_rest_is_null(lake):
    finish(lake, "funnel", {"funnel": [{"stage": "raw_images"}], "filters": None, "unreadable": []})
    finish(lake, "longtail", {"coverage": {"text": {"before": 1, "after": 3}}})
    made = finish(lake, "evaluator", {"auc": 0.97, "auc_instruction_only": 0.5, "auc_pictures_only": None})
    finish(lake, "sft", {"stage": "sft", "steps": 40, "losses": [1, 2], "version": "3", "world_size": 2})
    found = status(lake)
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
    assert [row["stage"] for row in status(lake)["stages"]] == ["pretrain", "dpo", "nft"]


def test_the_size_of_a_home_is_that_of_its_files_each_once(lake):
    lake.write_bytes("a/one", b"x" * 1000)
    lake.write_bytes("b/two", b"x" * 234)
    lake.local_path("b/link").symlink_to(lake.local_path("a/one"))
    assert status(lake)["disk_bytes"] == 1234


@pytest.mark.parametrize("step", ["champion", "bench_report"])
def test_the_registry_and_the_benchmark_are_shown_as_they_were_written(lake, step):
    facts = {"name": "emberline-edit", "champion": {"stage": "nft", "version": "5"}, "kinds": {"blur": {}}}
    finish(lake, step, facts)
    found = status(lake)
    assert found["registry"] == (facts if step == "champion" else None)
    assert found["bench"] == ({"blur": {}} if step == "bench_report" else None)
