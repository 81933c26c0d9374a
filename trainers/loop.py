"""The training loop, the same for every stage: step, log, validate, save; resume where a killed run stood."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

from models.editor.transformer import build_editor, load_editor
from trainers.checkpoints import Position, load_checkpoint, save_checkpoint
from trainers.config import CtConfig, DpoConfig, NftConfig, PretrainConfig, SftConfig, StageConfig, StageRun
from trainers.stages.stage import Context, Stage
from trainers.strategies.deepspeed import Engine, sum_over_ranks
from trainers.tracking import Tracker
from trainers.validation import Validation

PREFERENCE_FOLDER = "preferences"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Training:
    """A run in progress on this rank.

    Attributes:
        context: run, ranks, data.
        engine: the model and its optimizer.
        stage: what a step is.
        position: how far the run is.
        tracker: of rank 0; None elsewhere.
    """

    context: Context
    engine: Engine
    stage: Stage
    position: Position
    tracker: Tracker | None = None


def prepare(context: Context) -> Training:
    """Returns a training at its last readable checkpoint, or at its start."""
    config = context.run.config
    engine = Engine(starting_point(context.run), config)
    stage = build_stage(context, engine)
    training = Training(context, engine, stage, Position(step=0, seconds=0.0))
    loaded = load_checkpoint(checkpoint_folder(context.run), engine, rank=context.rank)
    if loaded is not None:
        training.position, state = loaded
        stage.restore(state)
    return training


def train(training: Training, stop_requested: Callable[[], bool]) -> bool:
    """Trains to the last step; returns False where it stopped before that, at a checkpoint.

    Args:
        training: from `prepare`; its tracker is told every step.
        stop_requested: asked on every rank after each step; one rank that says yes stops all of them.
    """
    context, config = training.context, training.context.run.config
    validation = Validation(context)
    if training.position.step == 0:
        _log(training, 0, validation.measure(validation_model(training)))
    for step in range(training.position.step, config.steps):
        start = time.monotonic()
        figures, stop = take_step(training, step, stop_requested())
        done = step + 1
        if done % config.validate_every == 0 or done == config.steps:
            figures |= validation.measure(validation_model(training))
        _log(training, done, figures)
        spent = training.position.seconds + time.monotonic() - start
        training.position = Position(step=done, seconds=round(spent, 3))
        if stop or done % config.checkpoint_every == 0:
            _save(training)
        if stop and done < config.steps:
            return False
    return True


def take_step(training: Training, step: int, stop: bool) -> tuple[dict[str, float], bool]:
    """Returns the figures of an optimizer step, means over the ranks, and whether any rank wants to stop."""
    context, config = training.context, training.context.run.config
    start = time.monotonic()
    loss, extra = training.stage.loss(training.engine.model, step)
    rate = learning_rate(config, step)
    norm = training.engine.step(loss, rate)
    training.stage.finish_step(training.engine, step)
    *sums, stopping = sum_over_ranks([float(loss.detach()), *extra.values(), float(stop)])
    means = [value / context.world_size for value in sums]
    samples = config.batch_size * context.world_size
    figures = dict(zip(["loss", *extra], means, strict=True))
    if not math.isfinite(figures["loss"]):
        raise FloatingPointError(
            f"The loss of step {step + 1} is {figures['loss']}. Lower learning_rate {config.learning_rate} "
            f"or gradient_clip {config.gradient_clip}; the last checkpoint is intact."
        )
    figures |= {"gradient_norm": norm, "learning_rate": rate}
    return figures | {"samples_per_second": samples / (time.monotonic() - start)}, stopping > 0


def learning_rate(config: StageConfig, step: int) -> float:
    """Returns the learning rate of a step: linear warm-up, then constant or down to the final one."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    share = {"constant": 1.0, "linear": 1.0 - progress, "cosine": 0.5 * (1.0 + math.cos(math.pi * progress))}
    span = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + span * share[config.schedule]


def starting_point(run: StageRun) -> QwenImageTransformer2DModel:
    """Returns the previous stage's transformer, or a new one."""
    return load_editor(run.init_from) if run.init_from else build_editor(run.editor, run.config.seed)


def frozen_start(context: Context, dtype: torch.dtype) -> torch.nn.Module:
    """Returns a copy of the starting point that does not train, on this rank's device."""
    start: Any = starting_point(context.run).eval().requires_grad_(False)
    return start.to(device=context.device, dtype=dtype)


def build_stage(context: Context, engine: Engine) -> Stage:
    """Returns the stage that the run's configuration names; its module is imported only here."""
    config = context.run.config
    if isinstance(config, PretrainConfig):
        from trainers.stages.flow_matching import Pretrain

        return Pretrain(context, config)
    if isinstance(config, CtConfig):
        from trainers.stages.flow_matching import ContinuedPretrain

        return ContinuedPretrain(context, config)
    if isinstance(config, SftConfig):
        from trainers.stages.flow_matching import SupervisedFinetune

        return SupervisedFinetune(context, config, engine)
    if isinstance(config, DpoConfig):
        from trainers.stages.dpo import DirectPreference
        from trainers.stages.preferences import prepare_preferences

        reference = frozen_start(context, DTYPES[config.precision])
        pairs = prepare_preferences(context, config, reference, context.run.output / PREFERENCE_FOLDER)
        return DirectPreference(context, config, reference, pairs)
    assert isinstance(config, NftConfig)
    from trainers.stages.nft import NegativeAwareFinetune

    return NegativeAwareFinetune(context, config, frozen_start(context, torch.float32))


def validation_model(training: Training) -> torch.nn.Module:
    """Returns the model that the stage would hand on if it ended now."""
    shards = training.stage.result_shards()
    return training.engine.model if shards is None else result_editor(training)


def result_editor(training: Training) -> QwenImageTransformer2DModel:
    """Returns the stage's result in float32, the same on every rank; every rank must call it."""
    weights = training.engine.full_weights(training.stage.result_shards())
    editor = build_editor(training.context.run.editor, seed=0)
    editor.load_state_dict(weights)
    placed: Any = editor.eval()
    return placed.to(training.context.device)


def checkpoint_folder(run: StageRun) -> Path:
    """Returns where the checkpoints of a run lie."""
    return run.output / "checkpoints"


def _save(training: Training) -> None:
    context = training.context
    save_checkpoint(
        checkpoint_folder(context.run),
        training.position,
        training.engine,
        state=training.stage.state(),
        rank=context.rank,
        keep=context.run.config.keep_checkpoints,
    )


def _log(training: Training, step: int, figures: dict[str, Any]) -> None:
    if training.tracker is not None:
        training.tracker.log(step, figures)
