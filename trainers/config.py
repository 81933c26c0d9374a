"""What a training run is told: its stage's settings, and one JSON file that says where everything is."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from models.editor.config import EditorConfig, ResolutionShift

BalanceColumn = Literal["task", "category", "subcategory", "template"]
Share = Annotated[float, Field(ge=0, le=1)]


class LossWeightConfig(BaseModel, frozen=True, extra="forbid"):
    """The logit-normal weight of noise levels in the loss (report 3.8)."""

    mean: float = Field(description="mean of logit(sigma)")
    std: float = Field(gt=0, description="standard deviation of logit(sigma)")
    floor: float = Field(ge=0, description="least weight, so that detail at low noise still counts")


class StageConfig(BaseModel, frozen=True, extra="forbid"):
    """What all stages share (report Table 1)."""

    steps: int = Field(ge=1, description="optimizer steps")
    batch_size: int = Field(ge=1, description="samples per rank and step")
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "linear", "cosine"] = Field(description="after the warm-up")
    final_learning_rate: float = Field(ge=0, description="where a linear or cosine schedule ends")
    warmup_steps: int = Field(ge=0)
    betas: tuple[float, float] = Field(description="AdamW's two decay rates")
    weight_decay: float = Field(ge=0)
    gradient_clip: float = Field(gt=0, description="largest global norm of the gradient")
    zero_stage: Literal[1, 2, 3] = Field(description="DeepSpeed ZeRO: what is sharded over the ranks")
    precision: Literal["fp32", "bf16"]
    balance_by: tuple[BalanceColumn, ...] = Field(
        description="columns whose groups are drawn equally often; none draws by the mixture's weights alone"
    )
    loss_weight: LossWeightConfig | None = Field(description="null weighs all noise levels alike")
    resolution_shift: ResolutionShift | None = Field(description="null leaves noise levels where they are")
    checkpoint_every: int = Field(ge=1, description="steps")
    keep_checkpoints: int = Field(
        ge=2, description="newest to keep; an unreadable one falls back on the one before"
    )
    validate_every: int = Field(ge=1, description="steps")
    validation_samples: int = Field(ge=1, description="held-out rows for the validation loss")
    validation_edits: int = Field(ge=0, description="held-out edits that are sampled to the end")
    sampling_steps: int = Field(ge=1, description="Euler steps of everything that this stage samples")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be less than steps {self.steps}.")
        return self


class PretrainConfig(StageConfig, frozen=True):
    """Pre-training (report 3.3): text to image and edits mixed, from high noise to all noise."""

    stage: Literal["pretrain"]
    initial_exponent: float = Field(
        ge=1, description="noise density a * sigma**(a-1) at the start; 1: uniform"
    )


class CtConfig(StageConfig, frozen=True):
    """Continued pre-training (report 3.4)."""

    stage: Literal["ct"]
    balance_by: tuple[BalanceColumn, ...] = Field(
        min_length=1, description="columns whose groups are the clusters"
    )


class SftConfig(StageConfig, frozen=True):
    """Supervised fine-tuning (report 3.5): strict balance; a moving average of the weights is the result."""

    stage: Literal["sft"]
    ema_decay: float = Field(gt=0, lt=1, description="after its warm-up (1 + t) / (10 + t)")


class PreferencePairsConfig(BaseModel, frozen=True, extra="forbid"):
    """How winners and losers are made from the previous stage's model (report 3.6.1)."""

    prompts: int = Field(ge=1, description="training rows that are sampled")
    samples_per_prompt: int = Field(ge=2)
    evaluator_weight: Share = Field(description="the rest of the ranking is the known truth")
    expert_share: Share = Field(description="share of pairs whose winner is the known truth (mix-policy)")
    batch_size: int = Field(ge=1, description="samples that are drawn together on a rank")


class DpoConfig(StageConfig, frozen=True):
    """Direct preference optimization with positive sample reinforcement (report 3.6.1)."""

    stage: Literal["dpo"]
    beta: float = Field(gt=0, description="sharpness of the preference")
    omega: float = Field(ge=1, description="weight of the winner's term")
    anchor: float = Field(ge=0, description="weight of the winner's own loss (lambda in the report)")
    pairs: PreferencePairsConfig


class NftConfig(StageConfig, frozen=True):
    """DiffusionNFT, online (report 3.6.2): `batch_size` samples per rank serve several updates."""

    stage: Literal["nft"]
    samples_per_prompt: int = Field(ge=2, description="a group, within which rewards are compared")
    updates_per_rollout: int = Field(ge=1, description="steps on the same samples, each with fresh noise")
    beta: float = Field(gt=0, description="1 / beta is the strength of guidance")
    advantage_clip: float = Field(gt=0, description="advantage at which a sample is surely good")
    old_policy_decay: Share = Field(description="what the sampling policy keeps of itself after a rollout")
    evaluator_weight: Share = Field(description="the rest of the reward is the known truth")

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.batch_size % self.samples_per_prompt:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of samples_per_prompt "
                f"{self.samples_per_prompt}. A rank rolls out whole groups."
            )
        return self


AnyStageConfig = Annotated[
    PretrainConfig | CtConfig | SftConfig | DpoConfig | NftConfig, Field(discriminator="stage")
]


class TrackingConfig(BaseModel, frozen=True, extra="forbid"):
    """The MLflow run of a stage."""

    uri: str
    experiment: str
    artifact_location: str | None = Field(
        description="where a new experiment keeps files; null leaves it to the server"
    )
    tags: dict[str, str]


class StageRun(BaseModel, frozen=True, extra="forbid"):
    """Everything that `trainers.train` is told. Paths are folders of this machine."""

    config: AnyStageConfig
    editor: EditorConfig
    mixture: Path = Field(description="table of the MIXTURE schema")
    text_cache: Path
    latent_cache: Path
    init_from: Path | None = Field(description="the previous stage's final folder; null: new weights")
    evaluator: Path | None = Field(description="folder of the pair evaluator")
    codec: Path | None = Field(description="folder of the codec, which decodes what the evaluator sees")
    output: Path
    tracking: TrackingConfig | None

    @model_validator(mode="after")
    def _has_what_its_stage_needs(self) -> Self:
        config = self.config
        if config.stage in ("dpo", "nft") and self.init_from is None:
            raise ValueError(
                f"init_from is null, but {config.stage} starts from a trained model. Name its folder."
            )
        weight = evaluator_weight(config)
        if weight > 0 and (self.evaluator is None or self.codec is None):
            raise ValueError(
                f"evaluator_weight is {weight}, but evaluator or codec is null. "
                "Name both folders, or set it to 0."
            )
        return self


def evaluator_weight(config: AnyStageConfig) -> float:
    """Returns the share of the evaluator in a stage's rewards, 0 for stages without rewards."""
    if isinstance(config, DpoConfig):
        return config.pairs.evaluator_weight
    return config.evaluator_weight if isinstance(config, NftConfig) else 0.0
