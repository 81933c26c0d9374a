"""Registers versions of the editor in MLflow: self-contained, safetensors only, found by alias."""

import hashlib
import io
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from PIL import Image

from models.common.files import file_digest

NAME = "emberline-edit"
CHAMPION, CHALLENGER = "champion", "challenger"
CODE = Path(__file__).with_name("registry_model.py")

PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "safetensors",
    "pillow",
    "numpy",
    "pandas",
    "mlflow",
)
"""The packages that a registered version needs, pinned to the versions installed at registration."""

SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "image"), ColSpec(DataType.string, "instruction")]),
    outputs=Schema([ColSpec(DataType.binary, "image")]),
    params=ParamSchema(
        [ParamSpec("num_inference_steps", DataType.integer, 8), ParamSpec("seed", DataType.long, 0)]
    ),
)


def register_version(
    folder: Path,
    *,
    tracking_uri: str,
    run_id: str,
    stage: str,
    card: str,
    tags: Mapping[str, str],
) -> str:
    """Returns the number of the version with this pipeline folder, and registers it if there is none.

    The same stage with the same bytes is the same version, even after a run that was killed while
    registering: the row, tags and card of a version are written in one transaction after its files, and
    files without a version are removed.

    Args:
        folder: from `models.editor.saved_pipeline.save_pipeline`.
        tracking_uri: of MLflow, for example `sqlite:////home/me/.emberline/demo/mlflow/mlflow.db`.
        run_id: the run that trained the weights; its experiment determines where files are stored.
        stage: pretrain, ct, sft, dpo or nft.
        card: Markdown, shown as the version's description.
        tags: further tags, such as `git_commit` and `data_digest`.
    """
    client = _client(tracking_uri)
    identity = {
        "stage": stage,
        "pipeline_sha256": folder_sha256(folder),
        "weights_sha256": folder_sha256(folder / "transformer"),
    }
    existing = _find_version(client, identity)
    if existing is not None:
        return existing
    _remove_unregistered(client, run_id, identity)
    model_id = _log_files(client, folder, run_id=run_id, tags=identity)
    created = client.create_model_version(
        NAME,
        source=f"models:/{model_id}",
        run_id=run_id,
        tags={**tags, **identity},
        description=card,
        model_id=model_id,
    )
    return str(created.version)


def promote(champion: str, *, tracking_uri: str, challenger: str | None, tags: Mapping[str, str]) -> None:
    """Sets the alias `champion` to a version, and `challenger` to the runner-up or deletes it.

    Args:
        champion: number of the version with the best benchmark result.
        tracking_uri: address of MLflow.
        challenger: number of the runner-up, or None.
        tags: tags of the champion that give the reason: the benchmark report and its main figures.
    """
    client = _client(tracking_uri)
    for key, value in sorted(tags.items()):
        client.set_model_version_tag(NAME, champion, key, value)
    client.set_registered_model_alias(NAME, CHAMPION, champion)
    if challenger is None:
        client.delete_registered_model_alias(NAME, CHALLENGER)
    else:
        client.set_registered_model_alias(NAME, CHALLENGER, challenger)


def version_folder(number: str, *, tracking_uri: str) -> Path:
    """Returns a local diffusers folder of a version, and downloads it if necessary."""
    _client(tracking_uri)
    folder = Path(download_artifacts(f"models:/{NAME}/{number}"))
    return folder / Model.load(str(folder)).flavors["python_function"]["artifacts"]["pipeline"]["path"]


def requirements() -> list[str]:
    """Returns the pip requirements of a version, without local parts such as `+cpu`, which no index has."""
    return [f"{package}=={version(package).split('+')[0]}" for package in PACKAGES]


def input_example() -> pd.DataFrame:
    """Returns one valid input row: a grey gradient and an instruction."""
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(stream, format="PNG")
    return pd.DataFrame({"image": [stream.getvalue()], "instruction": ["Make the picture brighter."]})


def folder_sha256(folder: Path) -> str:
    """Returns a digest of the names and bytes of all files below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder).as_posix()}\x1f{file_digest(path)}\n".encode())
    return total.hexdigest()


def _log_files(client: MlflowClient, folder: Path, *, run_id: str, tags: dict[str, str]) -> str:
    # Does what mlflow.pyfunc.log_model does, but without setting the active run and experiment of the caller.
    experiment = client.get_run(run_id).info.experiment_id
    model_id = client.create_logged_model(experiment, name=NAME, source_run_id=run_id, tags=tags).model_id
    with TemporaryDirectory() as scratch:
        mlflow.pyfunc.save_model(
            Path(scratch) / "model",
            python_model=str(CODE),
            artifacts={"pipeline": str(folder)},
            signature=SIGNATURE,
            input_example=input_example(),
            pip_requirements=requirements(),
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        )
        client.log_model_artifacts(model_id, str(Path(scratch) / "model"))
    client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id


def _client(tracking_uri: str) -> MlflowClient:
    # MLflow resolves `models:/m-...` with its global tracking URI, ignoring that of the client.
    mlflow.set_tracking_uri(tracking_uri)
    client = MlflowClient()
    try:
        client.create_registered_model(NAME)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    return client


def _find_version(client: MlflowClient, identity: Mapping[str, str]) -> str | None:
    conditions = [f"name = '{NAME}'", *(f"tags.{key} = '{value}'" for key, value in identity.items())]
    versions = client.search_model_versions(" and ".join(conditions))
    return min((str(version.version) for version in versions), key=int, default=None)


def _remove_unregistered(client: MlflowClient, run_id: str, identity: Mapping[str, str]) -> None:
    # No version has this identity, so logged models that have it are from a killed run.
    experiment = client.get_run(run_id).info.experiment_id
    conditions = " and ".join(f"tags.{key} = '{value}'" for key, value in identity.items())
    for model in client.search_logged_models([experiment], filter_string=conditions):
        client.delete_logged_model(model.model_id)
        _remove_files(model)


def _remove_files(model: LoggedModel) -> None:
    if is_local_uri(model.artifact_location):
        shutil.rmtree(local_file_uri_to_path(model.artifact_location), ignore_errors=True)
