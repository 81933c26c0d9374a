import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from rich.console import Console
from tiny import write_tiny_profile
from tiny_run import REPOSITORY, emberline

from assets.lake.lake import Lake
from assets.lake.steps import MissingInputError, read_manifests, write_manifest
from orchestration.home import BusyHomeError, lock_home
from orchestration.instance import open_instance
from orchestration.plan import PlannedAsset
from orchestration.profile import load_profile
from orchestration.reference import measured_seconds, reference_seconds
from orchestration.run import RunFailedError, expected_seconds, run_assets
from orchestration.selection import job_selection, parse_selection

HOLDER = """
import sys, time
from pathlib import Path
from orchestration.home import lock_home
with lock_home(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in the home."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "home")]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_two_runs_never_work_in_one_home(holder, tmp_path):
    busy = pytest.raises(BusyHomeError, match=r"Another run is using .*home\. Wait until it ends")
    with busy, lock_home(tmp_path / "home"):
        pytest.fail("the home was held twice")
    with lock_home(tmp_path / "another home"):
        pass


def test_a_run_that_was_killed_holds_nothing(holder, tmp_path):
    holder.kill()
    holder.wait()
    with lock_home(tmp_path / "home"):
        pass


def test_a_home_that_is_held_is_said_to_be_by_the_command_line(holder, tmp_path):
    done = emberline("run", "--job", "bench", "--home", str(tmp_path / "home"))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Another run is using")
    assert "Traceback" not in done.stderr


def test_a_run_of_the_ui_is_not_joined(tmp_path):
    with open_instance(tmp_path / "home") as instance:
        instance.create_run_for_job(a_job(), status=dg.DagsterRunStatus.STARTED)
    with pytest.raises(BusyHomeError, match=r"Run \w{8}, started in the UI, is using .*home"):
        run_tiny(tmp_path, parse_selection("filtered"))


def a_job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def by_hand() -> None:
        nothing()

    return by_hand


def run_tiny(tmp_path: Path, selection: dg.AssetSelection, **changes) -> str:
    profile = load_profile(str(write_tiny_profile(tmp_path / "tiny.yaml", **changes)))
    with (tmp_path / "said").open("a+") as paper:
        run_assets(profile, tmp_path / "home", selection, Console(file=paper, width=200))
        paper.seek(0)
        return paper.read()


def test_an_asset_before_its_inputs_fails_with_the_fix(tmp_path):
    with pytest.raises(RunFailedError, match=r"filtered failed: .*filtered reads .* Run it first\."):
        run_tiny(tmp_path, parse_selection("filtered"))


@pytest.mark.parametrize(
    ("folder", "answer"),
    [("missing", "missing is not a folder"), ("empty", r"no files in .*/empty")],
)
def test_a_corpus_without_files_is_named(folder, answer, tmp_path):
    (tmp_path / "empty").mkdir()
    corpus = {"name": "mine", "path": str(tmp_path / folder), "reader": "folder", "license": "own"}
    with pytest.raises(RunFailedError, match=f"^raw_images cannot start: .*{answer}"):
        run_tiny(tmp_path, job_selection("data"), demo=None, corpora={"corpora": [corpus]})


def test_a_broken_table_stops_what_comes_after_it(tmp_path):
    said = run_tiny(tmp_path, parse_selection("+raw_images"))
    made = [line.split()[1] for line in said.splitlines() if line.split()[0] == "done"]
    assert made == ["demo_corpus", "raw_images"]
    lake = Lake(str(tmp_path / "home"))
    manifest = read_manifests(lake, "raw_images")[0]
    table = next(path for path in manifest.files if path.startswith("records/"))
    lake.write_table(table, pl.DataFrame({"text": [1]}))
    write_manifest(lake, replace(manifest, sizes={**manifest.sizes, table: lake.size(table)}))
    with pytest.raises(RunFailedError, match="tables_keep_their_schema"):
        run_tiny(tmp_path, parse_selection('key:"raw_samples" or key:"measured"'))
    assert read_manifests(Lake(str(tmp_path / "home")), "measured") == []


def test_the_time_of_what_was_never_made_here_comes_from_the_reference(tmp_path):
    rows = [PlannedAsset(name, "due", (), "here", ()) for name in ("measured", "something new")]
    expected = expected_seconds(Lake(str(tmp_path)), rows, load_profile("demo"))
    assert expected == {"measured": reference_seconds()["measured"], "something new": None}


@pytest.mark.parametrize("name", ["workstation", "cluster"])
def test_the_times_of_the_demo_say_nothing_of_another_profile(tmp_path, name):
    rows = [PlannedAsset("pretrain", "due", (), "here", ()), PlannedAsset("nft", "finished", (), "here", ())]
    expected = expected_seconds(Lake(str(tmp_path)), rows, load_profile(name))
    assert expected == {"pretrain": None, "nft": 0.0}


def test_the_reference_is_taken_from_whole_homes_alone(tmp_path):
    with pytest.raises(MissingInputError, match="lacks measured, nft"):
        measured_seconds(Lake(str(tmp_path)), ["measured", "nft"])
