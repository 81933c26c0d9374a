import csv
import json

import pytest

from assets.lake.run_step import run_step
from assets.lake.steps import MissingInputError, Step, StepOutput
from assets.reports.export import export_results
from trainers.stages.registry import STAGE_NAMES as STAGES

STAGE_FACTS = {
    "steps": 40,
    "first_validation_loss": 1.23456789,
    "last_validation_loss": 0.5,
    "seconds": 12.5,
    "losses": [
        {"step": 0, "validation_loss": 1.23456789, "loss": None, "samples_per_second": 70.0},
        {"step": 40, "validation_loss": 0.5, "loss": 0.75, "samples_per_second": 80.0},
    ],
}
EDITORS = [
    {"editor": stage, "model_error": 0.2, "copy_error": 0.8, "of_copying": 0.25, "share_beating_copying": 1.0}
    for stage in STAGES
]
KINDS = {
    kind: {stage: {"model_error": 0.1 * number, "copy_error": 0.9} for number, stage in enumerate(STAGES)}
    for kind in ("warmer", "blur")
}


def finish(lake, name, facts):
    lake.write_bytes(f"{name}.bin", name.encode())
    return run_step(lake, Step(name, "1", {}, {"a": 1}), lambda: StepOutput((f"{name}.bin",), 3, facts))


@pytest.fixture
def made(lake):
    funnel = [{"stage": "raw_images", "in": 4, "kept": 3, "dropped": {"unreadable": 1}}]
    finish(lake, "funnel", {"funnel": funnel, "filters": None, "unreadable": []})
    finish(lake, "sft", STAGE_FACTS)
    finish(lake, "bench_report", {"editors": EDITORS, "kinds": KINDS})
    return lake


def read(path):
    return json.loads(path.read_text())


def test_figures_are_numbers_under_names_and_without_a_clock(made, tmp_path):
    export_results(made, ["funnel", "sft", "bench_report"], tmp_path / "out")
    metrics = read(tmp_path / "out/metrics.json")
    assert metrics["funnel"] == {"raw_images": {"in": 4, "kept": 3, "dropped": {"unreadable": 1}}}
    assert metrics["filters"] == {}
    assert metrics["nft"] == {
        "model_error": 0.2,
        "copy_error": 0.8,
        "of_copying": 0.25,
        "share_beating_copying": 1.0,
    }
    text = (tmp_path / "out/metrics.json").read_text() + (tmp_path / "out/manifests.json").read_text()
    assert "seconds" not in text
    assert "finished_at" not in text


def test_the_figures_of_a_stage_are_those_of_its_training(made, tmp_path):
    export_results(made, ["sft"], tmp_path)
    assert read(tmp_path / "metrics.json") == {
        "sft": {"steps": 40, "first_validation_loss": 1.234568, "last_validation_loss": 0.5}
    }


def test_manifests_name_every_file_with_its_checksum(made, tmp_path):
    export_results(made, ["sft"], tmp_path)
    [record] = read(tmp_path / "manifests.json")["sft"]
    assert record["files"].keys() == {"sft.bin"}
    assert len(record["files"]["sft.bin"]) == 64
    assert record["rows"] == 3


def test_curves_and_bars_are_tables(made, tmp_path):
    files = export_results(made, ["sft", "bench_report"], tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in files} == {
        "manifests.json",
        "metrics.json",
        "losses/sft.csv",
        "kinds.csv",
    }
    first, last = csv.DictReader((tmp_path / "losses/sft.csv").read_text().splitlines())
    assert (first["step"], first["validation_loss"], first["loss"]) == ("0", "1.234568", "")
    assert (last["step"], last["loss"]) == ("40", "0.75")
    kinds = list(csv.DictReader((tmp_path / "kinds.csv").read_text().splitlines()))
    assert [row["kind"] for row in kinds] == ["blur", "warmer"]
    assert (kinds[0]["copying"], kinds[0]["sft"]) == ("0.9", "0.2")


def test_two_exports_of_a_home_are_equal_bytes(made, tmp_path):
    assets = ["funnel", "sft", "bench_report"]
    one, two = export_results(made, assets, tmp_path / "one"), export_results(made, assets, tmp_path / "two")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_what_was_not_made_is_named(made, tmp_path):
    with pytest.raises(MissingInputError, match=r"lacks dpo, nft\. Run them first"):
        export_results(made, ["sft", "dpo", "nft"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
