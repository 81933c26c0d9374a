"""The training loop of every stage: step, log, validate, save, and resume a killed run exactly."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

from models.editor.transformer import build_editor
from trainers.checkpoints import TrainProgress, load_checkpoint, save_checkpoint
from trainers.config import StageConfig, StageRun
from trainers.identity import CHECKPOINTS, Layout
from trainers.stages.registry import stage_spec
from trainers.stages.stage import Stage, StageContext, starting_point
from trainers.strategies.deepspeed import DeepSpeedStrategy, sum_over_ranks
from trainers.tracking import Tracker
from trainers.validation import Validation


@dataclass
class TrainState:
    """A run in progress on this rank.

    Attributes:
        context: run, rank and data.
        strategy: holds the model and its optimizer.
        stage: defines the loss of a step.
        progress: steps taken so far.
        tracker: logs figures on rank 0; None on other ranks.
    """

    context: StageContext
    strategy: DeepSpeedStrategy
    stage: Stage
    progress: TrainProgress
    tracker: Tracker | None = None


def prepare(context: StageContext) -> TrainState:
    """Returns the state of a run: at its newest readable checkpoint, or at step 0 without one."""
    config = context.run.config
    strategy = DeepSpeedStrategy(starting_point(context.run), config, world_size=context.world_size)
    stage = stage_spec(config.stage).load()(context, config, strategy)
    training = TrainState(context, strategy, stage, TrainProgress(step=0, seconds=0.0))
    loaded = load_checkpoint(checkpoint_folder(context.run), strategy, rank=context.rank)
    if loaded is not None:
        training.progress, tensors = loaded
        stage.restore(tensors)
    return training


def train(training: TrainState, stop_requested: Callable[[], bool]) -> bool:
    """Trains to the last step; returns False if it was stopped before that, after saving a checkpoint.

    Args:
        training: from `prepare`. Its tracker receives the figures of every step.
        stop_requested: called on every rank after each step. One rank that returns True stops all of them.
    """
    context, config = training.context, training.context.run.config
    validation = Validation(context)
    if training.progress.step == 0:
        _log(training, 0, validation.measure(validation_model(training)))
    for step in range(training.progress.step, config.steps):
        start = time.monotonic()
        figures, stop = take_step(training, step, stop_requested())
        done = step + 1
        if done % config.validate_every == 0 or done == config.steps:
            figures |= validation.measure(validation_model(training))
        _log(training, done, figures)
        spent = training.progress.seconds + time.monotonic() - start
        training.progress = TrainProgress(step=done, seconds=round(spent, 3))
        if stop or done % config.checkpoint_every == 0:
            _save(training)
        if stop and done < config.steps:
            return False
    return True


def take_step(training: TrainState, step: int, stop: bool) -> tuple[dict[str, float], bool]:
    """Returns the figures of one optimizer step, averaged over ranks, and whether any rank wants to stop.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    context, config = training.context, training.context.run.config
    start = time.monotonic()
    loss, extra = training.stage.loss(training.strategy.model, step)
    rate = learning_rate(config, step, schedule_steps=context.schedule_steps)
    norm = training.strategy.step(loss, rate)
    training.stage.finish_step(training.strategy, step)
    # The request to stop is reduced with the figures. A rank that stopped alone would leave the others
    # waiting in their next all-reduce.
    *sums, stopping = sum_over_ranks([float(loss.detach()), *extra.values(), float(stop)])
    means = [value / context.world_size for value in sums]
    figures = dict(zip(["loss", *extra], means, strict=True))
    # Checked after the update, with the reduced loss, so that all ranks raise together. No checkpoint is
    # saved in between, so the stored weights are finite.
    if not math.isfinite(figures["loss"]):
        raise FloatingPointError(
            f"The loss of step {step + 1} is {figures['loss']}. Lower learning_rate (now "
            f"{config.learning_rate}) or gradient_clip (now {config.gradient_clip}). The last checkpoint is "
            "intact."
        )
    figures |= {"gradient_norm": norm, "learning_rate": rate}
    return figures | {"samples_per_second": config.batch_size / (time.monotonic() - start)}, stopping > 0


def learning_rate(config: StageConfig, step: int, *, schedule_steps: int) -> float:
    """Returns the learning rate of a step, counted from 0: linear warm-up, then the schedule.

    Args:
        config: rates and schedule.
        step: step of the run. It may lie beyond the schedule if `steps` grew after the run had begun.
        schedule_steps: steps of the schedule. Beyond them a constant schedule continues, and the others stay
            at `final_learning_rate`, so that the steps already taken keep their rates.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, schedule_steps - config.warmup_steps)
    progress = min(1.0, progress)
    share = {"constant": 1.0, "linear": 1.0 - progress, "cosine": 0.5 * (1.0 + math.cos(math.pi * progress))}
    span = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + span * share[config.schedule]


def validation_model(training: TrainState) -> torch.nn.Module:
    """Returns the model that would be the result if the stage ended now, for SFT the averaged weights."""
    shards = training.stage.result_shards()
    return training.strategy.model if shards is None else result_editor(training)


def result_editor(training: TrainState) -> QwenImageTransformer2DModel:
    """Returns the stage's result in float32, the same on every rank. Every rank must call it."""
    weights = training.strategy.full_weights(training.stage.result_shards())
    editor = build_editor(training.context.run.editor, seed=0)
    editor.load_state_dict(weights)
    result: Any = editor.eval()
    return result.to(training.context.device)


def checkpoint_folder(run: StageRun) -> Path:
    """Returns the folder of a run's checkpoints."""
    return run.output / CHECKPOINTS


def _save(training: TrainState) -> None:
    context, config = training.context, training.context.run.config
    save_checkpoint(
        checkpoint_folder(context.run),
        training.progress,
        training.strategy,
        state=training.stage.state(),
        rank=context.rank,
        keep=config.keep_checkpoints,
        layout=Layout(context.world_size, config.zero_stage),
    )


def _log(training: TrainState, step: int, figures: dict[str, Any]) -> None:
    if training.tracker is not None:
        training.tracker.log(step, figures)
