"""Starts a trainer from an asset: Dagster Pipes for what it reports, a shim that ties its life to ours."""

import os
import subprocess
import time
import warnings
from pathlib import Path

import dagster as dg

from trainers.launch.local import INTERRUPTED, training_command, training_environment

LOG_LINES = 80
"""Enough for the errors of all ranks: those that waited for the one that failed come after it."""

POLL_SECONDS = 0.2
STOP_SECONDS = 60.0
"""How long ranks may take to save a checkpoint when they are told to stop."""


class TrainingFailedError(RuntimeError):
    """The trainer ended with an error; the message holds the end of its log."""


def launch_trainer(context: dg.AssetExecutionContext, run_file: Path, ranks: int) -> None:
    """Trains the stage run of a JSON file; its figures go to Dagster's log while it runs.

    What the ranks print goes to `trainer.log` beside the run's file.

    Raises:
        TrainingFailedError: see there.
    """
    log_file = run_file.with_name("trainer.log")
    warnings.simplefilter("ignore", dg.PreviewWarning)  # of Pipes; constraints.txt pins Dagster
    with (
        dg.open_pipes_session(
            context, dg.PipesEnvContextInjector(), dg.PipesTempFileMessageReader()
        ) as session,
        log_file.open("ab") as log,
    ):
        trainer = subprocess.Popen(
            training_command(str(run_file), ranks),
            env={**os.environ, **training_environment(), **session.get_bootstrap_env_vars()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        told = 0
        try:
            while (code := trainer.poll()) is None:
                told = _log_figures(context, session, told)
                time.sleep(POLL_SECONDS)
        except BaseException:
            _stop(trainer)
            raise
    _log_figures(context, session, told)
    if code == INTERRUPTED:
        raise TrainingFailedError("The trainer was told to stop and saved a checkpoint. Run again to resume.")
    if code != 0:
        shown = _tail(log_file)
        raise TrainingFailedError(f"The trainer ended with code {code}. {log_file} ends with:\n{shown}")


def _log_figures(context: dg.AssetExecutionContext, session: dg.PipesSession, told: int) -> int:
    """Logs the figures that came through Pipes since `told` of them were; returns how many there are now."""
    messages = session.get_custom_messages()
    for message in messages[told:]:
        figures = {name: value for name, value in message.items() if name not in ("stage", "step", "steps")}
        said = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        context.log.info(f"{message['stage']}: step {message['step']} of {message['steps']}, {said}")
    return len(messages)


def _stop(trainer: subprocess.Popen[bytes]) -> None:
    trainer.terminate()
    try:
        trainer.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        trainer.kill()
        trainer.wait()


def _tail(log_file: Path) -> str:
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-LOG_LINES:])
