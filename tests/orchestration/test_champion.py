"""The champion of a real lineage, used as its users do: elsewhere, and without this repository."""

import io
import re
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from PIL import Image

from assets.lake.images import iterate_shard
from assets.lake.steps import handed_on, require_manifest
from models.registry.registry import NAME

USER = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("models", "assets", "trainers", "benchmarks", "orchestration"):
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Absent())
import mlflow, pandas as pd

mlflow.set_tracking_uri(sys.argv[1])
editor = mlflow.pyfunc.load_model("models:/emberline-edit@champion")
frame = pd.DataFrame({"image": [open("picture.jpg", "rb").read()], "instruction": ["Make it brighter."]})
open("edited.png", "wb").write(editor.predict(frame)["image"][0])
"""


@pytest.fixture(scope="module")
def store(tiny_run):
    return f"sqlite:///{tiny_run.home}/mlflow/mlflow.db"


def test_the_champion_edits_a_picture_where_emberline_is_absent(tiny_run, store, tmp_path):
    _, data = next(iterate_shard(tiny_run.lake, handed_on(tiny_run.lake, "raw_images", "images/*")[0]))
    (tmp_path / "picture.jpg").write_bytes(data)
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-P", "-c", USER, store],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **quiet},
        check=True,
        timeout=600,
    )
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


def test_the_aliases_are_what_the_benchmark_decided(tiny_run, store):
    facts = tiny_run.lake.read_json("reports/champion.json")
    client = MlflowClient(store)
    for alias in ("champion", "challenger"):
        version = client.get_model_version_by_alias(NAME, alias)
        assert str(version.version) == facts[alias]["version"]
        assert version.tags["stage"] == facts[alias]["stage"]
    champion = client.get_model_version_by_alias(NAME, "champion")
    assert champion.tags["bench.report"]
    assert float(champion.tags["bench.model_error"]) > 0
