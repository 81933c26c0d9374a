"""The registry, with a SQLite store in a temporary folder."""

import ast
import io
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image
from toy_pipeline import picture, save_toy_pipeline

from models.registry import registry
from models.registry.registry import (
    NoPreviousVersionError,
    aliases,
    folder_sha256,
    promote,
    register_version,
    requirements,
    roll_back,
    set_challenger,
    set_files_aside,
    tag_version,
    version_folder,
    version_of_alias,
    version_problem,
)

NAME = "emberline-edit"

USER = """
import importlib.abc, io, json, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("models", "assets", "trainers", "benchmarks", "orchestration"):
            raise ImportError(name + " must not be needed")

sys.meta_path.insert(0, Blocked())
import mlflow, pandas as pd
from PIL import Image

uri, source, target = sys.argv[1:]
mlflow.set_tracking_uri(uri)
editor = mlflow.pyfunc.load_model("models:/emberline-edit@champion")
frame = pd.DataFrame({"image": [open(source, "rb").read()] * 2, "instruction": ["make it darker"] * 2})
edited = editor.predict(frame, params={"num_inference_steps": 3, "seed": 7})["image"]
assert edited[0] == edited[1]
open(target, "wb").write(edited[0])
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The address of a store, a run in it, and two pipeline folders."""
    home = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{home}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("demo", artifact_location=str(home / "artifacts"))
    run = client.create_run(experiment).info.run_id
    folders = [save_toy_pipeline(home / "first"), save_toy_pipeline(home / "second", seed=1)]
    return uri, run, folders


@pytest.fixture
def fresh(store):
    """The same store, with no versions in it."""
    yield store
    client = MlflowClient(store[0])
    if client.search_registered_models(f"name = '{NAME}'"):
        client.delete_registered_model(NAME)


def register(store, *, which=0, stage="sft"):
    uri, run, folders = store
    return register_version(
        folders[which],
        name=NAME,
        tracking_uri=uri,
        run_id=run,
        stage=stage,
        card="# A card",
        tags={"git_commit": "0123456789ab", "data_digest": "fedcba"},
    ).number


def stored_files(store) -> int:
    return len(list((Path(store[0].removeprefix("sqlite:///")).parent / "artifacts").rglob("MLmodel")))


def test_a_version_says_what_it_is(fresh):
    number = register(fresh)
    found = MlflowClient(fresh[0]).get_model_version(NAME, number)
    assert found.description == "# A card"
    assert found.run_id == fresh[1]
    assert {key: found.tags[key] for key in ("stage", "git_commit", "data_digest")} == {
        "stage": "sft",
        "git_commit": "0123456789ab",
        "data_digest": "fedcba",
    }
    assert len(found.tags["weights_sha256"]) == 64


def test_the_same_stage_and_bytes_are_registered_once(fresh):
    assert [register(fresh), register(fresh)] == ["1", "1"]
    assert [register(fresh, which=1), register(fresh, stage="dpo"), register(fresh)] == ["2", "3", "1"]


def test_a_registration_that_was_killed_leaves_no_version_and_no_files(fresh, monkeypatch):
    before = stored_files(fresh)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_model_version", killed)
        with pytest.raises(KeyboardInterrupt):
            register(fresh, stage="ct")
    assert stored_files(fresh) == before + 1
    assert register(fresh, stage="ct") == "1"
    assert stored_files(fresh) == before + 1


def killed(*args, **kwargs):
    raise KeyboardInterrupt


def test_promotion_moves_the_aliases_and_keeps_the_previous_champion(fresh):
    first, second = register(fresh), register(fresh, which=1)
    where = {"name": NAME, "tracking_uri": fresh[0]}
    assert version_of_alias("champion", **where) is None
    promote(first, **where)
    set_challenger(second, **where)
    assert aliases(**where) == {"challenger": second, "champion": first}
    tag_version(second, {"bench.report": "0123"}, **where)
    promote(second, **where)
    set_challenger(None, **where)
    assert aliases(**where) == {"champion": second, "previous": first}
    assert version_of_alias("champion", **where).tags["bench.report"] == "0123"
    promote(second, **where)
    assert aliases(**where) == {"champion": second, "previous": first}


def test_one_call_goes_back_to_the_previous_champion(fresh):
    first, second = register(fresh), register(fresh, which=1)
    where = {"name": NAME, "tracking_uri": fresh[0]}
    promote(first, **where)
    with pytest.raises(NoPreviousVersionError):
        roll_back(**where)
    promote(second, **where)
    assert roll_back(**where) == (first, second)
    assert aliases(**where) == {"champion": first, "previous": second}


def test_a_model_that_was_never_registered_has_no_aliases(fresh):
    assert aliases(name="no-such-model", tracking_uri=fresh[0]) == {}
    assert version_of_alias("champion", name="no-such-model", tracking_uri=fresh[0]) is None


def problem(store, number, *, read=False, which=0, name=NAME):
    sha256 = folder_sha256(store[2][which])
    return version_problem(number, name=name, tracking_uri=store[0], pipeline_sha256=sha256, read=read)


def test_an_intact_version_has_no_problem(fresh):
    number = register(fresh)
    assert problem(fresh, number) is None
    assert problem(fresh, number, read=True) is None


def test_a_version_that_is_absent_or_of_other_weights_is_a_problem(fresh):
    number = register(fresh)
    assert problem(fresh, "99") is not None
    assert problem(fresh, number, which=1) is not None
    assert problem(fresh, number, name="another-model") is not None


@pytest.mark.parametrize(("damage", "needs_reading"), [("delete", False), ("cut", False), ("flip", True)])
def test_lost_and_damaged_files_of_a_version_are_found_and_given_back(fresh, damage, needs_reading):
    number = register(fresh)
    weights = next((version_folder(number, name=NAME, tracking_uri=fresh[0]) / "transformer").glob("*.safe*"))
    data = bytearray(weights.read_bytes())
    if damage == "delete":
        shutil.rmtree(weights.parents[1])
    else:
        data[-1] ^= 1
        weights.write_bytes(bytes(data[:-10] if damage == "cut" else data))
    assert problem(fresh, number, read=needs_reading) is not None
    if needs_reading:
        set_files_aside(number, name=NAME, tracking_uri=fresh[0])
    assert register(fresh) == number
    assert problem(fresh, number, read=True) is None


def test_no_file_of_a_version_names_a_path_of_this_machine(fresh):
    folder = version_folder(register(fresh), name=NAME, tracking_uri=fresh[0])
    model = folder.parents[1]
    home = str(Path(fresh[0].removeprefix("sqlite:///")).parent)
    texts = {
        path: path.read_bytes()
        for path in model.rglob("*.*")
        if path.is_file() and path.suffix != ".safetensors"
    }
    found = [path.name for path, data in texts.items() if home.encode() in data]
    assert found == []
    assert str(Path(__file__).parents[3]).encode() not in (model / "MLmodel").read_bytes()


def test_a_version_is_also_the_folder_that_was_registered(fresh):
    folder = version_folder(register(fresh), name=NAME, tracking_uri=fresh[0])
    assert registry.folder_sha256(folder) == registry.folder_sha256(fresh[2][0])


def test_requirements_name_exact_versions_that_an_index_has(fresh):
    assert all(len(line.split("==")) == 2 and "+" not in line for line in requirements())
    stored = (
        Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/{register(fresh)}")) / "requirements.txt"
    )
    assert set(requirements()) <= set(stored.read_text().split())


def test_requirements_cover_every_import_of_a_version(fresh):
    model = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/{register(fresh)}"))
    imported = set()
    for path in model.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    required = {line.split("==")[0] for line in requirements()} | {"PIL"}
    brought = {"huggingface_hub"}  # by diffusers and by transformers
    assert imported - set(sys.stdlib_module_names) <= required | brought


def test_the_input_example_and_the_signature_agree(fresh):
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/{register(fresh)}")
    edited = model.predict(registry.input_example(), params={"num_inference_steps": 1})
    assert Image.open(io.BytesIO(edited["image"][0])).format == "PNG"
    with pytest.raises(mlflow.exceptions.MlflowException, match="instruction"):
        model.predict(registry.input_example()[["image"]])


def test_the_champion_predicts_where_emberline_is_absent(fresh, tmp_path):
    promote(register(fresh), name=NAME, tracking_uri=fresh[0])
    expected = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    picture(5, 90, 120).save(tmp_path / "picture.jpg")
    edit_as_a_user(sys.executable, fresh[0], tmp_path)
    frame = pd.DataFrame(
        {"image": [(tmp_path / "picture.jpg").read_bytes()], "instruction": ["make it darker"]}
    )
    here = expected.predict(frame, params={"num_inference_steps": 3, "seed": 7})["image"][0]
    assert (tmp_path / "edited.png").read_bytes() == here


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_champion_predicts_with_its_own_requirements_and_nothing_else(fresh, tmp_path):
    promote(register(fresh), name=NAME, tracking_uri=fresh[0])
    model = mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-r", Path(model) / "requirements.txt"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"needs a package index: {installed.stderr[-300:]}")
    picture(5, 90, 120).save(tmp_path / "picture.jpg")
    edit_as_a_user(python, fresh[0], tmp_path)
    assert Image.open(tmp_path / "edited.png").size == (120, 90)


def edit_as_a_user(python, uri: str, folder: Path) -> None:
    command = [str(python), "-P", "-c", USER, uri, str(folder / "picture.jpg"), str(folder / "edited.png")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **quiet}
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=600)
