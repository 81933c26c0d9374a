"""The settings of mixtures and of the cache."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from models.common.checks import did_you_mean
from models.common.fields import Identity, Operational
from trainers.stages.registry import STAGE_NAMES

Lang = Literal["en", "zh"]


class CaptionShares(BaseModel, frozen=True, extra="forbid"):
    """How often each class of a sample's texts is drawn (report Table 1).

    Shares are relative. The share of a class that a sample lacks goes to the classes that it has.
    """

    original: Identity[float] = Field(ge=0, description="relative share of texts that came with the corpus")
    structured: Identity[float] = Field(ge=0, description="relative share of structured captions")
    instructive: Identity[float] = Field(
        ge=0,
        description="relative share of detailed, concise and user-like texts, in equal parts",
    )


class TaskShares(BaseModel, frozen=True, extra="forbid"):
    """How often each task is drawn (report 2.1: about 1:1 in all data)."""

    t2i: Identity[float] = Field(ge=0, description="relative share of text-to-image samples")
    i2i: Identity[float] = Field(ge=0, description="relative share of edits")


class OriginShares(BaseModel, frozen=True, extra="forbid"):
    """How often samples of a task are drawn by where they come from (report Table 1, first two rows)."""

    collected: Identity[float] = Field(ge=0, description="relative share of samples from a corpus")
    synthesized: Identity[float] = Field(ge=0, description="relative share of samples from pair synthesis")


class StageMixture(BaseModel, frozen=True, extra="forbid"):
    """The training data of one stage, in relative shares; the share of a missing class goes to the others."""

    side: Identity[int] = Field(
        gt=0, multiple_of=16, description="pixels; images are cropped to a square of this side"
    )
    captions: CaptionShares
    tasks: TaskShares
    origins: OriginShares


class MixturesConfig(BaseModel, frozen=True, extra="forbid"):
    """The mixtures of all stages."""

    languages: Identity[tuple[Lang, ...]] = Field(
        min_length=1, description="languages of the texts; the text encoder must read them"
    )
    long_text_words: Identity[int] = Field(
        ge=1, description="words; longer texts form batches of their own, which saves padding"
    )
    stages: Identity[dict[str, StageMixture]] = Field(description="mixture of each training stage")

    @model_validator(mode="after")
    def _stages_draw_something(self) -> Self:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("languages names a language twice. Remove one.")
        unknown = sorted(set(self.stages) - set(STAGE_NAMES))
        if unknown:
            raise ValueError(f"stages.{unknown[0]} is not a stage. {did_you_mean(unknown[0], STAGE_NAMES)}")
        for name, stage in self.stages.items():
            for part, shares in (
                ("captions", stage.captions),
                ("tasks", stage.tasks),
                ("origins", stage.origins),
            ):
                if not any(shares.model_dump().values()):
                    raise ValueError(f"stages.{name}.{part}: all shares are 0. Raise at least one.")
        return self


class EncodeConfig(BaseModel, frozen=True, extra="forbid"):
    """How mixtures become tensors."""

    codec_patch: Identity[int] = Field(gt=0, description="pixels; side of the square patch of one latent")
    codec_channels: Identity[int] = Field(
        gt=0, description="principal components that the codec keeps of a patch"
    )
    codec_images: Identity[int] = Field(
        gt=0, description="training images that the codec is fitted on, at most"
    )
    # A tensor that the cache has stays where it is, so a change of these sizes alters no stored file.
    texts_per_shard: Operational[int] = Field(gt=0, description="texts in a new shard of the cache, at most")
    latents_per_shard: Operational[int] = Field(
        gt=0, description="latents in a new shard of the cache, at most"
    )
    seed: Identity[int] = Field(ge=0, description="seed of the draw of images that the codec is fitted on")
