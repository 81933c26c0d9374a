"""The settings of training: ranks, size of the editor, and the stages (report Table 1)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, Field, create_model, model_validator

from models.common.fields import Operational
from models.editor.config import EditorConfig
from trainers.config import StageConfig
from trainers.stages.registry import STAGE_NAMES, STAGES


class TrainerConfig(BaseModel, frozen=True, extra="forbid"):
    """The settings that all stages share: the ranks and the editor."""

    ranks: Operational[int] = Field(
        ge=1, description="processes that train together: one per GPU, or one per core without a GPU"
    )
    editor: EditorConfig


class _TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """The trainer and its stages."""

    trainer: TrainerConfig

    @model_validator(mode="after")
    def _ranks_share_batches(self) -> Self:
        ranks = self.trainer.ranks
        for stage in (stage_config(self, name) for name in STAGE_NAMES):
            unit, parts = ranks * stage.samples_per_group, f"trainer.ranks {ranks}"
            if stage.samples_per_group > 1:  # a rank compares the rewards of whole groups
                parts = f"{parts} times samples_per_prompt {stage.samples_per_group}"
            if stage.batch_size % unit:
                nearest = max(unit, round(stage.batch_size / unit) * unit)
                raise ValueError(
                    f"{stage.stage}.batch_size {stage.batch_size} is not a multiple of {parts}. "
                    f"Write {nearest}."
                )
        return self


if TYPE_CHECKING:
    TrainingConfig = _TrainingConfig
else:  # one section for each stage of the registry, so that a new stage needs no field here
    TrainingConfig = create_model(
        "TrainingConfig", __base__=_TrainingConfig, **{spec.name: (spec.config, ...) for spec in STAGES}
    )


def stage_config(training: _TrainingConfig, name: str) -> StageConfig:
    """Returns the section of a stage."""
    return getattr(training, name)


@dataclass(frozen=True)
class Tracking:
    """Where MLflow stores runs and versions; not part of a stage's identity.

    Attributes:
        uri: tracking URI.
        experiment: name of the experiment.
        model: name of the registered model.
        artifact_location: URI of the files of a new experiment; None leaves it to the server.
    """

    uri: str
    experiment: str
    model: str
    artifact_location: str | None
