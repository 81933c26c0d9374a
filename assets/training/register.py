"""Registers a trained stage as a self-contained version in the model registry, with a model card."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assets.lake.kept import read_kept_samples
from assets.lake.lake import Lake
from assets.lake.paths import CODEC, mixture_path
from assets.lake.steps import Manifest, read_manifest
from assets.training.config import Tracking
from trainers.config import StageRun
from trainers.data.cache import MIXTURE
from trainers.identity import input_digests

LONGEST_REASON = 200
UNREACHABLE = "Max retries exceeded"
"""What urllib3 says of a server that does not answer, before hundreds of characters about itself."""


class RegistryError(RuntimeError):
    """MLflow did not answer, or refused a version. The weights of the stage are finished.

    Attributes:
        uri: address of MLflow.
    """

    def __init__(self, uri: str, error: Exception) -> None:
        self.uri = uri
        reason = (str(error) or type(error).__name__).partition("\n")[0][:LONGEST_REASON]
        if UNREACHABLE in str(error):
            reason = "it does not answer"
        super().__init__(
            f"MLflow at {uri} failed: {reason}. Check tracking.uri and that the server answers, then run "
            "again; nothing is trained again."
        )


def registration_problem(tracking: Tracking, manifest: Manifest, *, read: bool = False) -> str | None:
    """Returns why the registry does not hold a stage's weights as its manifest claims; None if it does.

    Args:
        tracking: the MLflow server.
        manifest: of the stage.
        read: reads the registered files and compares their digest, instead of only their sizes.
    """
    from mlflow.exceptions import MlflowException

    from models.registry.registry import version_problem

    try:
        return version_problem(
            manifest.facts["version"],
            name=tracking.model,
            tracking_uri=tracking.uri,
            pipeline_sha256=manifest.facts["pipeline_sha256"],
            read=read,
        )
    except (MlflowException, OSError) as error:
        return str(RegistryError(tracking.uri, error))


def register_stage(
    lake: Lake,
    run: StageRun,
    result: Mapping[str, Any],
    *,
    model: str,
    text_encoder: Path | None,
    side: int,
    tags: Mapping[str, str],
) -> Mapping[str, Any]:
    """Returns `version`, `pipeline_sha256` and `mlflow_run_id` of a stage's weights in the registry.

    Equal weights are registered once.

    Args:
        lake: holds the codec and the manifest of the cache that the stage was trained from.
        run: run of the stage. It must be tracked, because a version belongs to an MLflow run.
        result: result.json of the stage.
        model: name of the registered model.
        text_encoder: folder of the text encoder; None looks for an installed one.
        side: side of the training images in pixels.
        tags: further tags of the version.

    Raises:
        RegistryError: MLflow does not answer, or refuses.
    """
    from mlflow.exceptions import MlflowException

    from models.editor.transformer import load_editor
    from models.registry.model_card import model_card
    from models.registry.registry import PIPELINE_SHA256, register_version
    from models.text_encoders.minilm import TextEncoder, find_text_encoder
    from trainers.tracking import recorded_run

    assert run.tracking is not None, "assets/training/stage.py tracks every run"
    editor = load_editor(run.output / "final")
    folder = run.output / "pipeline"
    _save(folder, lake, run, editor, find_text_encoder(text_encoder), side)
    cache = read_manifest(lake, "training_cache")
    assert cache is not None, "a stage was trained without a cache"
    try:
        run_id = recorded_run(run, input_digests(run))
        registered = register_version(
            folder,
            name=model,
            tracking_uri=run.tracking.uri,
            run_id=run_id,
            stage=run.config.stage,
            card=model_card(
                name=model,
                stage=run.config.stage,
                parameters=sum(parameter.numel() for parameter in editor.parameters()),
                sample_size=side,
                languages=TextEncoder.languages,
                training=_training_facts(run, result, tags),
                data=_data_facts(lake, cache, run.config.stage),
            ),
            tags={**tags, "data_digest": cache.content},
        )
    except (MlflowException, OSError) as error:
        raise RegistryError(run.tracking.uri, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the registry has a copy
    sha256 = registered.tags[PIPELINE_SHA256]
    return {"version": registered.number, "pipeline_sha256": sha256, "mlflow_run_id": run_id}


def _save(folder: Path, lake: Lake, run: StageRun, editor: Any, text_encoder: Path, side: int) -> None:
    from models.codecs.patch_codec import PatchCodec
    from models.editor.saved_pipeline import save_pipeline

    save_pipeline(
        folder,
        transformer=editor,
        codec=PatchCodec.from_pretrained(str(lake.local_path(CODEC))),
        text_encoder_folder=text_encoder,
        resolution_shift=run.config.resolution_shift,
        sample_size=side,
    )


def _training_facts(run: StageRun, result: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    start = "new weights" if run.init_from is None else f"the end of {run.init_from.parent.name}"
    losses = f"{result['first_validation_loss']:.4f} to {result['last_validation_loss']:.4f}"
    return {
        "started from": start,
        "steps": result["steps"],
        "validation loss": losses,
        "ranks": f"{result['world_size']}, ZeRO stage {result['zero_stage']}",
        **tags,
    }


def _data_facts(lake: Lake, cache: Manifest, stage: str) -> dict[str, Any]:
    counts = cache.facts["stages"][stage]
    mixture = lake.read_table(mixture_path(stage), MIXTURE)
    training, heldout = (mixture.filter(pl.col("split") == split) for split in ("train", "heldout"))
    used = read_kept_samples(lake).join(training, on="sample_id", how="semi")
    return {
        "samples": counts["samples"],
        "rows (sample and text)": counts["rows"],
        "groups of images that training saw": training["group_id"].n_unique(),
        "groups held out of training": heldout["group_id"].n_unique(),
        "licences": ", ".join(sorted(used["license"].unique())),
        "digest": cache.content,
    }
