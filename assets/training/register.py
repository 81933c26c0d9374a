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
from trainers.config import StageRun
from trainers.data.cache import MIXTURE


class UntrackedRunError(RuntimeError):
    """A stage has no MLflow run, to which its version would belong.

    Attributes:
        stage: name of the stage.
    """

    def __init__(self, stage: str, output: Path) -> None:
        self.stage = stage
        super().__init__(
            f"{stage} has no MLflow run, which its version needs. See {output / 'trainer.log'} for the "
            f"error of MLflow. Fix it, delete {output}, and run again."
        )


def register_stage(
    lake: Lake,
    run: StageRun,
    result: Mapping[str, Any],
    *,
    text_encoder: Path | None,
    side: int,
    tags: Mapping[str, str],
) -> str:
    """Returns the number of the version with a stage's weights. Equal weights are registered once.

    Args:
        lake: holds the codec and the manifest of the cache that the stage was trained from.
        run: run of the stage. It must be tracked, because a version belongs to an MLflow run.
        result: result.json of the stage.
        text_encoder: folder of the text encoder; None looks for an installed one.
        side: side of the training images in pixels.
        tags: further tags of the version.

    Raises:
        UntrackedRunError: MLflow has no run of the stage.
    """
    from models.editor.transformer import load_editor
    from models.registry.model_card import model_card
    from models.registry.registry import NAME, register_version
    from models.text_encoders.minilm import TextEncoder, find_text_encoder

    if run.tracking is None or result["mlflow_run_id"] is None:
        raise UntrackedRunError(run.config.stage, run.output)
    editor = load_editor(run.output / "final")
    folder = run.output / "pipeline"
    _save(folder, lake, run, editor, find_text_encoder(text_encoder), side)
    cache = read_manifest(lake, "training_cache")
    assert cache is not None, "a stage was trained without a cache"
    try:
        return register_version(
            folder,
            tracking_uri=run.tracking.uri,
            run_id=result["mlflow_run_id"],
            stage=run.config.stage,
            card=model_card(
                name=NAME,
                stage=run.config.stage,
                parameters=sum(parameter.numel() for parameter in editor.parameters()),
                sample_size=side,
                languages=TextEncoder.languages,
                training=_training_facts(run, result, tags),
                data=_data_facts(lake, cache, run.config.stage),
            ),
            tags={**tags, "data_digest": cache.content},
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the registry has a copy


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
