"""Registers versions of the editor in MLflow: self-contained, safetensors only, found by alias."""

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

import mlflow
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, get_model_info
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from PIL import Image

from models.common.files import file_digest
from models.editor.saved_pipeline import self_contained_source

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
MODULE = "registry.registry_model"
"""The module that MLflow runs for a version, with what it imports of Emberline copied into it."""

PIPELINE_SHA256, WEIGHTS_SHA256, PIPELINE_BYTES = "pipeline_sha256", "weights_sha256", "pipeline_bytes"
"""Tags of a version: digests of its pipeline folder and of its transformer, and the size of the folder."""

PROMOTED = "promotion.promoted"
"""Tag of a version that has had the alias `champion`."""

_ABSENT = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}
"""Error codes of MLflow for a model or an alias that does not exist."""

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


class RegisteredVersion(NamedTuple):
    """A version in the registry.

    Attributes:
        number: of the version.
        tags: all its tags, such as `stage` and `pipeline_sha256`.
    """

    number: str
    tags: Mapping[str, str]


class NoPreviousVersionError(LookupError):
    """The registry has no alias `previous`, so there is nothing to go back to."""


def register_version(
    folder: Path,
    *,
    name: str,
    tracking_uri: str,
    run_id: str,
    stage: str,
    card: str,
    tags: Mapping[str, str],
) -> RegisteredVersion:
    """Returns the version with this pipeline folder, and registers it if there is none.

    The same stage with the same bytes is the same version, even after a run that was killed while
    registering: the row, tags and card of a version are written in one transaction after its files, and
    files without a version are removed. A version whose files are lost or damaged gets them again.

    Args:
        folder: from `models.editor.saved_pipeline.save_pipeline`.
        name: of the registered model.
        tracking_uri: of MLflow, for example `sqlite:////home/me/.emberline/demo/mlflow/mlflow.db`.
        run_id: the run that trained the weights; its experiment determines where files are stored.
        stage: pretrain, ct, sft, dpo or nft.
        card: Markdown, shown as the version's description.
        tags: further tags, such as `git_commit` and `data_digest`.
    """
    client = _client(tracking_uri)
    _create_model(client, name)
    sha256 = folder_sha256(folder)
    identity = {
        "stage": stage,
        PIPELINE_SHA256: sha256,
        WEIGHTS_SHA256: folder_sha256(folder / "transformer"),
    }
    existing = _find_version(client, name, identity)
    if existing is not None:
        number = str(existing.version)
        if version_problem(number, name=name, tracking_uri=tracking_uri, pipeline_sha256=sha256):
            _restore_files(client, existing.source.removeprefix("models:/"), folder)
        return RegisteredVersion(number, dict(existing.tags))
    _remove_unregistered(client, run_id, identity)
    model_id = _log_files(client, name, folder, run_id=run_id, tags=identity)
    created = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run_id,
        tags={**tags, **identity, PIPELINE_BYTES: str(_folder_bytes(folder))},
        description=card,
        model_id=model_id,
    )
    return RegisteredVersion(str(created.version), dict(created.tags))


def version_problem(
    number: str, *, name: str, tracking_uri: str, pipeline_sha256: str, read: bool = False
) -> str | None:
    """Returns why the registry does not hold these weights as this version; None if it does.

    Args:
        number: of the version.
        name: of the registered model.
        tracking_uri: of MLflow.
        pipeline_sha256: digest of the pipeline folder.
        read: downloads the files and compares their digest, instead of only their sizes.
    """
    client = _client(tracking_uri)
    where = f"version {number} of {name} at {tracking_uri}"
    try:
        tags = client.get_model_version(name, number).tags
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return f"there is no {where}"
    if tags.get(PIPELINE_SHA256) != pipeline_sha256:
        return f"{where} has other weights"
    try:
        folder = _pipeline_path(name, number)
        if read:
            intact = folder_sha256(version_folder(number, name=name, tracking_uri=tracking_uri))
            return None if intact == pipeline_sha256 else f"the files of {where} are damaged"
        stored = _stored_bytes(f"models:/{name}/{number}", folder)
    except (MlflowException, OSError):
        return f"the files of {where} cannot be opened"
    return None if str(stored) == tags.get(PIPELINE_BYTES) else f"files of {where} are missing or truncated"


def set_files_aside(number: str, *, name: str, tracking_uri: str) -> None:
    """Renames the folder of a version's files if it is local, so that registering again restores them.

    Does nothing for a version that does not exist, and for files that a server keeps.
    """
    client = _client(tracking_uri)
    try:
        source = client.get_model_version(name, number).source
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return
        raise
    location = client.get_logged_model(str(source).removeprefix("models:/")).artifact_location
    if is_local_uri(location) and Path(local_file_uri_to_path(location)).exists():
        folder = Path(local_file_uri_to_path(location))
        folder.rename(folder.with_name(f"{folder.name}.damaged-{uuid.uuid4().hex[:8]}"))


def version_of_alias(alias: str, *, name: str, tracking_uri: str) -> RegisteredVersion | None:
    """Returns the version that an alias names; None if the model or the alias does not exist."""
    client = _client(tracking_uri)
    try:
        version = client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return None
        raise
    return RegisteredVersion(str(version.version), dict(version.tags))


def aliases(*, name: str, tracking_uri: str) -> Mapping[str, str]:
    """Returns the version of each alias, sorted by alias; empty if the model does not exist.

    Raises:
        MlflowException: the server does not answer.
    """
    try:
        found = _client(tracking_uri).get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return {}
        raise
    return {alias: str(number) for alias, number in sorted(found.items())}


def version_tags(number: str, *, name: str, tracking_uri: str) -> Mapping[str, str]:
    """Returns the tags of a version.

    Raises:
        MlflowException: there is no such version.
    """
    return dict(_client(tracking_uri).get_model_version(name, number).tags)


def tag_version(number: str, tags: Mapping[str, str], *, name: str, tracking_uri: str) -> None:
    """Sets tags of a version, for example the decision on its promotion."""
    client = _client(tracking_uri)
    for key, value in sorted(tags.items()):
        client.set_model_version_tag(name, number, key, value)


def promote(champion: str, *, name: str, tracking_uri: str) -> None:
    """Sets the alias `champion` to a version, and `previous` to the version that had it."""
    client = _client(tracking_uri)
    before = version_of_alias(CHAMPION, name=name, tracking_uri=tracking_uri)
    tag_version(champion, {PROMOTED: "true"}, name=name, tracking_uri=tracking_uri)
    if before is not None and before.number != champion:
        client.set_registered_model_alias(name, PREVIOUS, before.number)
    client.set_registered_model_alias(name, CHAMPION, champion)


def set_challenger(challenger: str | None, *, name: str, tracking_uri: str) -> None:
    """Sets the alias `challenger` to the runner-up of the benchmark, or deletes it."""
    client = _client(tracking_uri)
    if challenger is None:
        client.delete_registered_model_alias(name, CHALLENGER)
    else:
        client.set_registered_model_alias(name, CHALLENGER, challenger)


def roll_back(*, name: str, tracking_uri: str) -> tuple[str, str]:
    """Returns the numbers of the new and of the old champion, after exchanging `champion` and `previous`.

    The old champion keeps the tag PROMOTED, by which the next run knows not to promote it again.

    Raises:
        NoPreviousVersionError: there is no alias `champion` or no alias `previous`.
    """
    current = version_of_alias(CHAMPION, name=name, tracking_uri=tracking_uri)
    previous = version_of_alias(PREVIOUS, name=name, tracking_uri=tracking_uri)
    if current is None or previous is None:
        raise NoPreviousVersionError(
            f"{name} at {tracking_uri} has no previous champion, so there is nothing to go back to."
        )
    promote(previous.number, name=name, tracking_uri=tracking_uri)
    return previous.number, current.number


def version_folder(number: str, *, name: str, tracking_uri: str) -> Path:
    """Returns a local diffusers folder of a version, and downloads it if necessary."""
    _client(tracking_uri)
    folder = Path(download_artifacts(f"models:/{name}/{number}"))
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


def _log_files(client: MlflowClient, name: str, folder: Path, *, run_id: str, tags: dict[str, str]) -> str:
    # Does what mlflow.pyfunc.log_model does, but without setting the active run and experiment of the caller.
    experiment = client.get_run(run_id).info.experiment_id
    model_id = client.create_logged_model(experiment, name=name, source_run_id=run_id, tags=tags).model_id
    _upload(client, folder, model_id=model_id, run_id=run_id)
    client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id


def _upload(client: MlflowClient, folder: Path, *, model_id: str, run_id: str | None) -> None:
    with TemporaryDirectory() as scratch:
        saved = Path(scratch) / "model"
        code = Path(scratch) / "registry_model.py"
        code.write_text(self_contained_source(MODULE), encoding="utf-8")
        mlflow.pyfunc.save_model(
            saved,
            python_model=str(code),
            artifacts={"pipeline": str(folder)},
            signature=SIGNATURE,
            input_example=input_example(),
            pip_requirements=requirements(),
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        )
        _remove_local_paths(saved / MLMODEL_FILE_NAME)
        client.log_model_artifacts(model_id, str(saved))


def _remove_local_paths(file: Path) -> None:
    """Replaces the paths of this machine in a file of MLflow by names inside the model's folder."""
    model = yaml.safe_load(file.read_text(encoding="utf-8"))
    flavor = model["flavors"]["python_function"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    file.write_text(yaml.safe_dump(model, sort_keys=True, allow_unicode=True), encoding="utf-8")


def _restore_files(client: MlflowClient, model_id: str, folder: Path) -> None:
    model = client.get_logged_model(model_id)
    _remove_files(model)
    _upload(client, folder, model_id=model_id, run_id=model.source_run_id)


def _client(tracking_uri: str) -> MlflowClient:
    # MLflow resolves `models:/m-...` with its global tracking URI, ignoring that of the client.
    mlflow.set_tracking_uri(tracking_uri)
    return MlflowClient()


def _create_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def _find_version(client: MlflowClient, name: str, identity: Mapping[str, str]) -> Any:
    """Returns the oldest version with these tags, or None."""
    conditions = [f"name = '{name}'", *(f"tags.{key} = '{value}'" for key, value in identity.items())]
    versions = client.search_model_versions(" and ".join(conditions))
    return min(versions, key=lambda version: int(version.version), default=None)


def _pipeline_path(name: str, number: str) -> str:
    """Returns the path of the pipeline folder inside the files of a version."""
    flavors = get_model_info(f"models:/{name}/{number}").flavors
    return flavors["python_function"]["artifacts"]["pipeline"]["path"]


def _stored_bytes(uri: str, path: str) -> int:
    entries = list_artifacts(artifact_uri=f"{uri}/{path}")
    return sum(
        _stored_bytes(uri, f"{path}/{Path(entry.path).name}") if entry.is_dir else entry.file_size or 0
        for entry in entries
    )


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


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
