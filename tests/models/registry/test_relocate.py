"""A store that was moved or copied works where it is, and a copy never touches its original."""

import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from toy_pipeline import save_toy_pipeline

from models.registry.registry import folder_sha256, register_version, version_folder, version_problem
from models.registry.relocate import DamagedStoreError, relocate

NAME = "toy"


def address(home: Path) -> str:
    return f"sqlite:///{home}/mlflow/mlflow.db"


def move_to(home: Path) -> bool:
    return relocate(home / "mlflow/mlflow.db", home / "mlflow/artifacts")


@pytest.fixture
def home(tmp_path):
    """A home with one version."""
    home = tmp_path / "first home"
    (home / "mlflow").mkdir(parents=True)
    client = MlflowClient(address(home))
    experiment = client.create_experiment("demo", (home / "mlflow/artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    register_version(
        save_toy_pipeline(tmp_path / "pipeline"),
        name=NAME,
        tracking_uri=address(home),
        run_id=run,
        stage="sft",
        card="",
        tags={},
    )
    return home


def test_a_store_in_its_place_is_left_alone(home):
    before = (home / "mlflow/mlflow.db").read_bytes()
    assert not move_to(home)
    assert (home / "mlflow/mlflow.db").read_bytes() == before


def test_a_moved_store_opens_its_files_where_they_are(home, tmp_path):
    moved = tmp_path / "second" / "home"
    moved.parent.mkdir()
    sha256 = folder_sha256(tmp_path / "pipeline")
    home.rename(moved)
    where = {"name": NAME, "tracking_uri": address(moved)}
    assert version_problem("1", pipeline_sha256=sha256, **where) is not None
    assert move_to(moved)
    assert version_problem("1", pipeline_sha256=sha256, read=True, **where) is None
    assert version_folder("1", **where).is_relative_to(moved)
    run = MlflowClient(address(moved)).search_runs(["1"])[0]
    MlflowClient(address(moved)).log_text(run.info.run_id, "new", "note.txt")
    assert list((moved / "mlflow/artifacts").rglob("note.txt"))
    assert not home.exists()


def test_a_copy_reads_its_own_files_and_leaves_the_original_as_it_was(home, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert move_to(copy)
    assert version_folder("1", name=NAME, tracking_uri=address(copy)).is_relative_to(copy)
    mlflow.pyfunc.load_model(f"models:/{NAME}/1")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"x" * 4096])
def test_a_damaged_database_is_named(tmp_path, content):
    database = tmp_path / "mlflow.db"
    database.write_bytes(content)
    with pytest.raises(DamagedStoreError) as raised:
        relocate(database, tmp_path / "artifacts")
    assert raised.value.database == database


def test_a_missing_or_empty_database_is_no_store_yet(tmp_path):
    assert not relocate(tmp_path / "mlflow.db", tmp_path / "artifacts")
    (tmp_path / "mlflow.db").touch()
    assert not relocate(tmp_path / "mlflow.db", tmp_path / "artifacts")
