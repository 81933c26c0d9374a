import pytest

from assets.lake.lake import Lake
from assets.lake.run_step import run_step
from assets.lake.steps import Step, StepOutput, manifest_path
from assets.reports.verify import verify
from assets.training.config import Tracking

NOWHERE = Tracking("sqlite:////nonexistent/mlflow.db", "x", "x", artifact_location=None)


@pytest.fixture
def lake(tmp_path):
    lake = Lake(str(tmp_path))
    for name, inputs in (("one", {}), ("two", {"one": ()})):
        path = f"tables/{name}.bin"
        lake.write_bytes(path, b"1")
        step = Step(name=name, version="1", inputs=inputs, config={}, limits={})
        run_step(lake, step, lambda path=path: StepOutput((path,), rows=1))
    return lake


def found(lake: Lake, told: list[tuple[int, int]] | None = None) -> list[tuple[str, str | None]]:
    def progress(_what: str, done: int, total: int) -> None:
        if told is not None:
            told.append((done, total))

    return [(one.asset, one.path) for one in verify(lake, ["one", "two"], NOWHERE, progress)]


def test_an_intact_home_has_no_findings_and_every_file_is_counted(lake):
    told = []
    assert found(lake, told) == []
    assert told[-1] == (2, 2)


def test_a_damaged_manifest_is_found(lake):
    lake.write_bytes(manifest_path("two"), lake.read_bytes(manifest_path("two"))[:-9])
    assert found(lake) == [("two", manifest_path("two"))]


def test_a_lost_manifest_is_found_by_what_was_made_of_it(lake):
    lake.delete(manifest_path("one"))
    assert found(lake) == [("one", None)]


def test_a_changed_file_is_found(lake):
    lake.write_bytes("tables/one.bin", b"2")
    assert found(lake) == [("one", "tables/one.bin")]
