"""What a profile says about the trainer's cache: mixtures, codec, shards."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

StageName = Literal["pretrain", "ct", "sft", "dpo", "nft"]
Lang = Literal["en", "zh"]


class CaptionShares(BaseModel, frozen=True, extra="forbid"):
    """How often each class of a sample's texts is drawn (report Table 1); absent ones fall to the rest."""

    original: float = Field(ge=0)
    structured: float = Field(ge=0)
    instructive: float = Field(ge=0, description="detailed, concise and user-like, all alike")


class TaskShares(BaseModel, frozen=True, extra="forbid"):
    """How often each task is drawn (report 2.1: about 1:1 in all data)."""

    t2i: float = Field(ge=0)
    i2i: float = Field(ge=0)


class OriginShares(BaseModel, frozen=True, extra="forbid"):
    """How often samples of a task are drawn by where they come from (report Table 1, first two rows)."""

    collected: float = Field(ge=0, description="from a corpus")
    synthesized: float = Field(ge=0, description="from the production engine")


class StageMixture(BaseModel, frozen=True, extra="forbid"):
    """What one training stage is given, in relative shares; those of absent things fall to the rest."""

    side: int = Field(gt=0, multiple_of=16, description="pixels; images are cropped to a square of this side")
    captions: CaptionShares
    tasks: TaskShares
    origins: OriginShares


class MixturesConfig(BaseModel, frozen=True, extra="forbid"):
    """The mixtures of all stages."""

    languages: tuple[Lang, ...] = Field(min_length=1, description="of texts; the text encoder must read them")
    long_text_words: int = Field(ge=1, description="texts of more words are batched apart, to save padding")
    stages: dict[StageName, StageMixture]

    @model_validator(mode="after")
    def _stages_draw_something(self) -> Self:
        for name, stage in self.stages.items():
            for part in (stage.captions, stage.tasks, stage.origins):
                if not any(part.model_dump().values()):
                    raise ValueError(f"stages.{name}: all shares of {type(part).__name__} are 0; raise one.")
        return self


class EncodeConfig(BaseModel, frozen=True, extra="forbid"):
    """How mixtures become tensors."""

    codec_patch: int = Field(gt=0, description="pixels of a patch's side")
    codec_channels: int = Field(gt=0, description="principal components that a patch keeps")
    codec_images: int = Field(gt=0, description="training images that the codec is fitted on, at most")
    texts_per_shard: int = Field(gt=0)
    latents_per_shard: int = Field(gt=0)
    seed: int = Field(ge=0)
