"""What a training run gets: the config of its stage, and one JSON file with the paths of all inputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, SerializeAsAny, model_validator

from models.common.fields import Identity, Operational
from models.editor.config import EditorConfig, ResolutionShift

BalanceColumn = Literal["task", "category", "subcategory", "template"]
DecayRate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class LossWeightConfig(BaseModel, frozen=True, extra="forbid"):
    """The logit-normal weight of noise levels in the loss (report 3.8)."""

    mean: Identity[float] = Field(description="mean of logit(sigma)")
    std: Identity[float] = Field(gt=0, description="standard deviation of logit(sigma)")
    floor: Identity[float] = Field(ge=0, description="least weight, so that detail at low noise still counts")


class StageConfig(BaseModel, frozen=True, extra="forbid"):
    """The fields that all stages share (report Table 1)."""

    stage: Identity[str] = Field(description="name of the stage")
    steps: Identity[int] = Field(ge=1, description="optimizer steps")
    batch_size: Identity[int] = Field(ge=1, description="samples per optimizer step over all ranks")
    learning_rate: Identity[float] = Field(gt=0, description="peak of AdamW's learning rate")
    schedule: Identity[Literal["constant", "linear", "cosine"]] = Field(
        description="course of the learning rate after the warm-up"
    )
    final_learning_rate: Identity[float] = Field(
        ge=0, description="learning rate at the end of a linear or cosine schedule"
    )
    warmup_steps: Identity[int] = Field(ge=0, description="steps of linear warm-up")
    betas: Identity[tuple[DecayRate, DecayRate]] = Field(
        description="AdamW's two decay rates, from 0 to below 1"
    )
    weight_decay: Identity[float] = Field(ge=0, description="AdamW's weight decay")
    gradient_clip: Identity[float] = Field(gt=0, description="largest global norm of the gradient")
    # Like the ranks: it places the same state differently. A checkpoint of another layout is refused.
    zero_stage: Operational[int] = Field(
        ge=1,
        le=3,
        description="DeepSpeed ZeRO stage: 1 shards the optimizer over the ranks, 2 gradients too, 3 all",
    )
    precision: Identity[Literal["fp32", "bf16"]] = Field(description="number format of the forward pass")
    balance_by: Identity[tuple[BalanceColumn, ...]] = Field(
        description="columns whose groups are drawn equally often; none draws by the mixture's weights alone"
    )
    loss_weight: Identity[LossWeightConfig | None] = Field(
        description="weight of noise levels in the loss; null weighs all alike"
    )
    resolution_shift: Identity[ResolutionShift | None] = Field(
        description="shift of noise levels by the size of the target; null shifts none"
    )
    checkpoint_every: Operational[int] = Field(ge=1, description="steps between checkpoints")
    keep_checkpoints: Operational[int] = Field(
        ge=2, description="newest checkpoints to keep; if one is unreadable, the one before it is used"
    )
    # Validation draws nothing from the generators of training, so it only decides what is reported.
    validate_every: Operational[int] = Field(ge=1, description="steps between validations")
    validation_samples: Operational[int] = Field(ge=1, description="held-out rows for the validation loss")
    validation_edits: Operational[int] = Field(
        ge=0, description="held-out edits that validation samples to the end"
    )
    sampling_steps: Identity[int] = Field(
        ge=1, description="Euler steps of every sample that this stage draws"
    )
    seed: Identity[int] = Field(ge=0, description="seed of weights, batches and noise")

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be less than steps {self.steps}.")
        return self

    @property
    def samples_per_group(self) -> int:
        """Samples that have to stay together on a rank; the batch is a multiple of ranks times this."""
        return 1


class PretrainConfig(StageConfig, frozen=True):
    """Pre-training (report 3.3): text to image and edits mixed, from high noise to all noise."""

    stage: Identity[Literal["pretrain"]] = Field(description="name of the stage")
    initial_exponent: Identity[float] = Field(
        ge=1, description="a in the noise density a * sigma**(a-1) at the start; 1 is uniform"
    )


class CtConfig(StageConfig, frozen=True):
    """Continued pre-training (report 3.4)."""

    stage: Identity[Literal["ct"]] = Field(description="name of the stage")
    balance_by: Identity[tuple[BalanceColumn, ...]] = Field(
        min_length=1, description="columns whose groups are the clusters, which are drawn equally often"
    )


class SftConfig(StageConfig, frozen=True):
    """Supervised fine-tuning (report 3.5): strict balance; a moving average of the weights is the result."""

    stage: Identity[Literal["sft"]] = Field(description="name of the stage")
    ema_decay: Identity[float] = Field(
        gt=0,
        lt=1,
        description="decay per step of the moving average, which starts at (1 + t) / (10 + t) after t steps",
    )


class PreferencePairsConfig(BaseModel, frozen=True, extra="forbid"):
    """How winners and losers are made from the previous stage's model (report 3.6.1)."""

    prompts: Identity[int] = Field(ge=1, description="training rows that are sampled")
    samples_per_prompt: Identity[int] = Field(ge=2, description="samples of each row, which are ranked")
    evaluator_weight: Identity[Share] = Field(
        description="share, 0 to 1, of the evaluator in the ranking; the rest is the known truth"
    )
    expert_share: Identity[Share] = Field(
        description="share, 0 to 1, of pairs whose winner is the known truth (mix-policy)"
    )
    # Noise is drawn by sample id and each sample has its own reward: this only groups the forward passes.
    batch_size: Operational[int] = Field(
        ge=1, description="samples that one rank draws together; results may differ in the last bits"
    )


class DpoConfig(StageConfig, frozen=True):
    """Direct preference optimization with positive sample reinforcement (report 3.6.1)."""

    stage: Identity[Literal["dpo"]] = Field(description="name of the stage")
    beta: Identity[float] = Field(gt=0, description="sharpness of the preference")
    omega: Identity[float] = Field(ge=1, description="weight of the winner's term")
    anchor: Identity[float] = Field(
        ge=0, description="weight of the winner's own loss (lambda in the report)"
    )
    pairs: PreferencePairsConfig


class NftConfig(StageConfig, frozen=True):
    """DiffusionNFT, online (report 3.6.2): the `batch_size` samples of a rollout serve several updates."""

    stage: Identity[Literal["nft"]] = Field(description="name of the stage")
    samples_per_prompt: Identity[int] = Field(
        ge=2, description="samples in a group, within which rewards are compared"
    )
    updates_per_rollout: Identity[int] = Field(
        ge=1, description="steps on the same samples, each with fresh noise"
    )
    beta: Identity[float] = Field(gt=0, description="1 / beta is the strength of guidance")
    advantage_clip: Identity[float] = Field(
        gt=0, description="advantage from which a sample counts as entirely good"
    )
    old_policy_decay: Identity[Share] = Field(
        description="share, 0 to 1, of the old weights that the sampling policy keeps after a rollout"
    )
    evaluator_weight: Identity[Share] = Field(
        description="share, 0 to 1, of the evaluator in the reward; the rest is the known truth"
    )

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.batch_size % self.samples_per_prompt:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of samples_per_prompt "
                f"{self.samples_per_prompt}. A rollout consists of whole groups; write a multiple."
            )
        return self

    @property
    def samples_per_group(self) -> int:
        """Samples of one prompt, whose rewards are compared on one rank."""
        return self.samples_per_prompt


def _registered_config(value: Any) -> Any:
    """Returns the config of a stage from its JSON values, by the class that the registry names for it."""
    if not isinstance(value, Mapping):
        return value
    from trainers.stages.registry import STAGES  # the registry imports this module

    classes = {spec.name: spec.config for spec in STAGES}
    name = value.get("stage")
    if name not in classes:
        raise ValueError(f"stage is {name!r}. Write one of {', '.join(classes)}.")
    return classes[name].model_validate(value)


class TrackingConfig(BaseModel, frozen=True, extra="forbid"):
    """The MLflow run of a stage."""

    uri: Operational[str] = Field(description="MLflow tracking URI")
    experiment: Operational[str] = Field(description="name of the MLflow experiment")
    artifact_location: Operational[str | None] = Field(
        description="URI where a new experiment keeps files; null leaves it to the server"
    )
    tags: Operational[dict[str, str]] = Field(description="tags of the MLflow run")


class StageRun(BaseModel, frozen=True, extra="forbid"):
    """The input of `trainers.train`.

    Paths are on this machine. They are operational: the digests of what lies there are part of identity.
    """

    config: Annotated[SerializeAsAny[StageConfig], BeforeValidator(_registered_config)]
    editor: EditorConfig
    mixture: Operational[Path] = Field(description="table of the MIXTURE schema")
    text_cache: Operational[Path] = Field(description="folder of the text features")
    latent_cache: Operational[Path] = Field(description="folder of the latents")
    init_from: Operational[Path | None] = Field(
        description="folder of the previous stage's final weights; null starts from new weights"
    )
    evaluator: Operational[Path | None] = Field(description="folder of the pair evaluator; null without one")
    codec: Operational[Path | None] = Field(
        description="folder of the codec that decodes samples for the evaluator; null without one"
    )
    output: Operational[Path] = Field(description="folder for checkpoints, metrics and final weights")
    tracking: Operational[TrackingConfig | None] = Field(
        description="MLflow run to report to; null reports to none"
    )

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


def evaluator_weight(config: StageConfig) -> float:
    """Returns the share of the evaluator in a stage's rewards, 0 for stages without rewards."""
    if isinstance(config, DpoConfig):
        return config.pairs.evaluator_weight
    return config.evaluator_weight if isinstance(config, NftConfig) else 0.0
