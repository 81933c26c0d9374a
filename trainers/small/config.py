"""Settings of the small models that data stages train. Imports no torch, so that profiles load fast."""

from pydantic import BaseModel, Field

from models.common.fields import Identity, Operational


class DescriptorTrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How the copy descriptor is trained."""

    max_images: Identity[int] = Field(
        gt=1, description="training images, at most; the first by id, which is a fair draw"
    )
    steps: Identity[int] = Field(gt=0, description="optimizer steps")
    batch_size: Identity[int] = Field(
        gt=1, description="images per step; each is seen in two augmented views"
    )
    learning_rate: Identity[float] = Field(gt=0, description="peak of AdamW's learning rate")
    warmup_steps: Identity[int] = Field(ge=0, description="steps of linear warm-up, before a cosine to zero")
    weight_decay: Identity[float] = Field(ge=0, description="AdamW's weight decay")
    temperature: Identity[float] = Field(gt=0, description="divides the cosines inside InfoNCE")
    entropy_weight: Identity[float] = Field(ge=0, description="weight of the KoLeo term, lambda in SSCD")
    checkpoint_every: Operational[int] = Field(gt=0, description="steps between checkpoints")
    threads: Operational[int] = Field(
        gt=0, description="CPU threads; results may differ in the last bits with another number"
    )
    seed: Identity[int] = Field(description="seed of weights, batches and augmentations")


class EvaluatorTrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How the evaluator is trained."""

    steps: Identity[int] = Field(
        gt=0, description="optimizer steps of the evaluator and of each shortcut probe"
    )
    batch_size: Identity[int] = Field(
        gt=1, description="pairs per step; each is seen with its own and with another instruction"
    )
    learning_rate: Identity[float] = Field(gt=0, description="peak of AdamW's learning rate")
    warmup_steps: Identity[int] = Field(ge=0, description="steps of linear warm-up, before a cosine to zero")
    weight_decay: Identity[float] = Field(ge=0, description="AdamW's weight decay")
    checkpoint_every: Operational[int] = Field(gt=0, description="steps between checkpoints")
    threads: Operational[int] = Field(
        gt=0, description="CPU threads; results may differ in the last bits with another number"
    )
    seed: Identity[int] = Field(description="seed of weights, batches and wrong instructions")
