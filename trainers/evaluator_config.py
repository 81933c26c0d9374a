"""Settings of the evaluator's training."""

from pydantic import BaseModel, Field


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
