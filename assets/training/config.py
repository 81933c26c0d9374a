"""What a profile says about training: the ranks, the editor's size, and the five stages (report Table 1)."""

from dataclasses import dataclass

from pydantic import BaseModel, Field

from assets.cached.config import StageName
from models.editor.config import EditorConfig
from trainers.config import CtConfig, DpoConfig, NftConfig, PretrainConfig, SftConfig

STAGES: tuple[StageName, ...] = ("pretrain", "ct", "sft", "dpo", "nft")
"""In the order in which each starts from the checkpoint of the one before."""


class TrainerConfig(BaseModel, frozen=True, extra="forbid"):
    """What all stages share: where they run and what they train."""

    ranks: int = Field(ge=1, description="processes: one a GPU, or one a core where there is none")
    editor: EditorConfig


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """The trainer and its stages."""

    trainer: TrainerConfig
    pretrain: PretrainConfig
    ct: CtConfig
    sft: SftConfig
    dpo: DpoConfig
    nft: NftConfig


@dataclass(frozen=True)
class Tracking:
    """Where MLflow keeps runs and versions; no part of what a stage is.

    `artifact_location` is where a new experiment keeps files, None to leave it to the server.
    """

    uri: str
    experiment: str
    artifact_location: str | None
