"""Which editor a word on the command line means."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.editors.copy_source import CopyEditor
from benchmarks.editors.run import ImageEditor
from benchmarks.suites.item import SuiteError
from models.registry.registry import folder_sha256
from models.vlm.http import Retries

KEY = "EDITOR_API_KEY"
"""Name in the environment of the secret that an editor's service gets."""

COPY = "copy"

OPENAI_HOST = "api.openai.com"
"""Gets OPENAI_API_KEY where there is no EDITOR_API_KEY; nobody else's service does."""


class Sampling(NamedTuple):
    """How an editor samples, recorded with its outputs; and the patience with a service, which is not."""

    seed: int
    steps: int
    cfg: float | None
    size: str
    retries: Retries = Retries()


def chosen_editor(
    spec: str, sampling: Sampling, *, tracking_uri: str, fetch_from: Sequence[str]
) -> ImageEditor:
    """Returns the editor of a specification.

    Args:
        spec: `models:/<name>@<alias>` of an MLflow registry; `http(s)://<host>/v1#<model>` of a service; a
            diffusers folder; or `copy`, which hands the source back.
        sampling: seed, steps, scale, size policy (`source` or `model`).
        tracking_uri: of MLflow.
        fetch_from: hosts that a service's images may be fetched from.

    Raises:
        SuiteError: there is no such editor.
    """
    if spec == COPY:
        return CopyEditor()
    if spec.startswith("models:/"):
        return _registered(spec, sampling, tracking_uri)
    if spec.startswith(("http://", "https://")):
        return _endpoint(spec, sampling, fetch_from)
    folder = Path(spec)
    if not (folder / "model_index.json").exists():
        raise SuiteError(
            f"{spec!r} is not an editor. Expected models:/name@alias, https://host/v1#model, copy, or a "
            "diffusers folder with model_index.json. Use --outputs for a folder of finished outputs."
        )
    from benchmarks.editors.pipeline import PipelineEditor

    return PipelineEditor(
        folder,
        identity=folder_sha256(folder),
        seed=sampling.seed,
        steps=sampling.steps,
        size="source" if sampling.size == "source" else "model",
        cfg=sampling.cfg,
    )


def _registered(spec: str, sampling: Sampling, tracking_uri: str) -> ImageEditor:
    from benchmarks.editors.registered import RegisteredEditor

    if sampling.cfg is not None or sampling.size != "model":
        raise SuiteError("A registered model decides scale and size itself. Remove --cfg and --size.")
    try:
        return RegisteredEditor(spec, tracking_uri=tracking_uri, seed=sampling.seed, steps=sampling.steps)
    except ValueError as error:
        raise SuiteError(str(error)) from error


def _endpoint(spec: str, sampling: Sampling, fetch_from: Sequence[str]) -> ImageEditor:
    from benchmarks.editors.endpoint import SOURCE_SIZE, EndpointEditor

    url, _, model = spec.partition("#")
    if not model:
        raise SuiteError(f"{spec!r} names no model. Write {spec}#<model>.")
    settings: dict[str, str | int | float] = {"num_inference_steps": sampling.steps}
    if sampling.cfg is not None:
        settings["true_cfg_scale"] = sampling.cfg
    if sampling.size == "source":
        settings["size"] = SOURCE_SIZE
    try:
        return EndpointEditor(
            model,
            url=url,
            key=os.environ.get(KEY) or _openai_key(url),
            seed=sampling.seed,
            settings=settings,
            hosts=fetch_from,
            retries=sampling.retries,
        )
    except ValueError as error:
        raise SuiteError(str(error)) from error


def _openai_key(url: str) -> str | None:
    parts = urlsplit(url)
    return (
        os.environ.get("OPENAI_API_KEY") if (parts.scheme, parts.netloc) == ("https", OPENAI_HOST) else None
    )
