"""Settings of the small models that data stages train. Imports no torch, so that profiles load fast."""

from typing import Self

from pydantic import BaseModel, Field, model_validator

from models.common.fields import Identity, Operational


class SmallTrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """The fields that both small trainings share."""

    steps: Identity[int] = Field(gt=0, description="optimizer steps")
    learning_rate: Identity[float] = Field(gt=0, description="peak of AdamW's learning rate")
    warmup_steps: Identity[int] = Field(ge=0, description="steps of linear warm-up, before a cosine to zero")
    weight_decay: Identity[float] = Field(ge=0, description="AdamW's weight decay")
    checkpoint_every: Operational[int] = Field(gt=0, description="steps between checkpoints")
    threads: Operational[int] = Field(
        gt=0, description="CPU threads; results may differ in the last bits with another number"
    )

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be less than steps {self.steps}.")
        return self


class DescriptorTrainingConfig(SmallTrainingConfig, frozen=True):
    """How the copy descriptor is trained."""

    max_images: Identity[int] = Field(
        gt=1, description="training images, at most; the first by id, which is a fair draw"
    )
    batch_size: Identity[int] = Field(
        gt=1, description="images per step; each is seen in two augmented views"
    )
    temperature: Identity[float] = Field(gt=0, description="divides the cosines inside InfoNCE")
    entropy_weight: Identity[float] = Field(ge=0, description="weight of the KoLeo term, lambda in SSCD")
    seed: Identity[int] = Field(ge=0, description="seed of weights, batches and augmentations")


class EvaluatorTrainingConfig(SmallTrainingConfig, frozen=True):
    """How the evaluator is trained."""

    steps: Identity[int] = Field(
        gt=0, description="optimizer steps of the evaluator and of each shortcut probe"
    )
    batch_size: Identity[int] = Field(
        gt=1, description="pairs per step; each is seen with its own and with another instruction"
    )
    seed: Identity[int] = Field(ge=0, description="seed of weights, batches and wrong instructions")
