"""Settings of the small models that data stages train. Imports no torch, so that profiles load fast."""

from pydantic import BaseModel, Field


class DescriptorTrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How the copy descriptor is trained; torch-free, so that a profile can be read without it."""

    max_images: int = Field(
        gt=1, description="trained on at most so many, the first by id, which is a fair draw"
    )
    steps: int = Field(gt=0, description="optimizer steps")
    batch_size: int = Field(gt=1, description="images a step; each is seen in two augmented views")
    learning_rate: float = Field(gt=0, description="peak of AdamW's learning rate")
    warmup_steps: int = Field(ge=0, description="steps of linear warm-up; a cosine to zero follows")
    weight_decay: float = Field(ge=0)
    temperature: float = Field(gt=0, description="divides the cosines inside InfoNCE")
    entropy_weight: float = Field(ge=0, description="weight of the KoLeo term, lambda in SSCD")
    checkpoint_every: int = Field(gt=0, description="steps between checkpoints")
    threads: int = Field(gt=0, description="CPU threads; another number gives slightly other weights")
    seed: int


class EvaluatorTrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How the evaluator is trained; torch-free, so that a profile can be read without it."""

    steps: int = Field(gt=0, description="optimizer steps, of the evaluator and of each shortcut probe")
    batch_size: int = Field(
        gt=1, description="pairs a step; each is seen with its own and another instruction"
    )
    learning_rate: float = Field(gt=0, description="peak of AdamW's learning rate")
    warmup_steps: int = Field(ge=0, description="steps of linear warm-up; a cosine to zero follows")
    weight_decay: float = Field(ge=0)
    checkpoint_every: int = Field(gt=0, description="steps between checkpoints")
    threads: int = Field(gt=0, description="CPU threads; another number gives slightly other weights")
    seed: int
