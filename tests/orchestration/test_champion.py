"""The champion of a real lineage, used as its users do: elsewhere, and without this repository."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image
from tiny_run import emberline

from assets.lake.images import iterate_shard
from assets.lake.steps import handed_on, require_manifest
from orchestration.home import sqlite_uri

NAME = "emberline-edit"

USER = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("models", "assets", "trainers", "benchmarks", "orchestration"):
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Absent())
import mlflow, pandas as pd

mlflow.set_tracking_uri(sys.argv[1])
editor = mlflow.pyfunc.load_model(f"models:/emberline-edit/{sys.argv[2]}")
frame = pd.DataFrame({"image": [open("picture.jpg", "rb").read()], "instruction": ["Make it brighter."]})
open("edited.png", "wb").write(editor.predict(frame)["image"][0])
"""


@pytest.fixture(scope="module")
def store(tiny_run):
    return f"sqlite:///{tiny_run.home}/mlflow/mlflow.db"


def edit_elsewhere(store: str, version: str, folder: Path) -> bytes:
    """The edit that a user gets who has a picture, a registry, and no Emberline."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-P", "-c", USER, store, version],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **quiet},
        check=True,
        timeout=600,
    )
    return (folder / "edited.png").read_bytes()


def test_a_version_edits_a_picture_where_emberline_is_absent(tiny_run, store, tmp_path):
    _, data = next(iterate_shard(tiny_run.lake, handed_on(tiny_run.lake, "raw_images", "images/*")[0]))
    (tmp_path / "picture.jpg").write_bytes(data)
    edit_elsewhere(store, best_version(tiny_run), tmp_path)
    with Image.open(tmp_path / "edited.png") as edited, Image.open(io.BytesIO(data)) as source:
        assert edited.format == "PNG"
        assert min(edited.size) >= 64
        assert (edited.width >= edited.height) == (source.width >= source.height)


def test_every_stage_is_a_version_that_says_where_it_came_from(tiny_run, store):
    client = MlflowClient(store)
    versions = {found.tags["stage"]: found for found in client.search_model_versions(f"name = '{NAME}'")}
    assert versions.keys() == {"pretrain", "ct", "sft", "dpo", "nft"}
    cache = require_manifest(tiny_run.lake, "training_cache")
    for stage, version in versions.items():
        assert version.tags["git.commit"]
        assert len(version.tags["dagster.run_id"]) == 36
        assert version.tags["data_digest"] == cache.content
        assert version.description.startswith("#"), "the model card"
        assert re.search(r"\| licences \| \S+", version.description)
        assert re.search(r"\| groups held out of training \| [1-9]", version.description)
        run = client.get_run(version.run_id)
        assert run.info.status == "FINISHED"
        assert {"loss", "validation_loss", "gradient_norm"} <= run.data.metrics.keys(), stage
        assert run.inputs.dataset_inputs, "no digest of the data"


def best_version(tiny_run) -> str:
    return tiny_run.lake.read_json("reports/champion.json")["candidate"]["version"]


def test_a_home_edits_equally_after_it_was_moved_and_copied(tiny_run, store, tmp_path):
    _, data = next(iterate_shard(tiny_run.lake, handed_on(tiny_run.lake, "raw_images", "images/*")[0]))
    copy, moved = tmp_path / "a copy", tmp_path / "moved?x=1"
    shutil.copytree(tiny_run.home, copy)
    edits = []
    for number, home in enumerate([tiny_run.home, copy, moved]):
        if home == moved:
            copy.rename(moved)
        done = emberline("verify", "--profile", str(tiny_run.profile), "--home", str(home))
        assert done.returncode == 0, done.stdout + done.stderr
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "picture.jpg").write_bytes(data)
        edits.append(edit_elsewhere(sqlite_uri(home / "mlflow/mlflow.db"), best_version(tiny_run), folder))
    assert len(set(edits)) == 1


def test_a_version_worse_than_its_source_is_no_champion_and_says_so(tiny_run, store):
    # A few steps of training cannot beat the unedited source; tests/assets/reports has promotions.
    facts = tiny_run.lake.read_json("reports/champion.json")
    assert not facts["decision"]["promoted"]
    client = MlflowClient(store)
    assert "champion" not in client.get_registered_model(NAME).aliases
    tags = client.get_model_version(NAME, facts["candidate"]["version"]).tags
    assert tags["promotion.decision"] == "not promoted"
    assert "better_than_copying" in tags["promotion.reasons"]
    assert float(tags["bench.model_error"]) > 0
