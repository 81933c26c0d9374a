"""Starts a trainer from an asset. It reports through Dagster Pipes and ends when this process ends."""

import os
import subprocess
import time
import warnings
from pathlib import Path

import dagster as dg

from orchestration.faults import refusal
from orchestration.interrupts import saving
from trainers.launch.local import INTERRUPTED, STOP_SECONDS, training_command, training_environment

LOG_LINES = 80
"""Lines of the log in an error message. The ranks that waited for a failed rank log their errors after it."""

POLL_SECONDS = 0.2


class TrainingFailedError(RuntimeError):
    """The trainer ended without a result; the message contains the end of its log."""


def launch_trainer(context: dg.AssetExecutionContext, run_file: Path, ranks: int) -> None:
    """Trains a stage and writes its figures to Dagster's log meanwhile.

    The output of the ranks goes to `trainer.log` next to the run file.

    Args:
        context: of the asset.
        run_file: JSON file of a `trainers.config.StageRun`.
        ranks: number of processes.

    Raises:
        TrainingFailedError: a rank failed, or the run was stopped after saving a checkpoint.
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
        logged = 0
        try:
            while (code := trainer.poll()) is None:
                logged = _log_figures(context, session, logged)
                time.sleep(POLL_SECONDS)
        except BaseException:
            context.log.warning(
                f"Stopping: the training saves a checkpoint first, for up to {STOP_SECONDS:.0f} s."
            )
            with saving():
                trainer.terminate()
                trainer.wait()
            raise
    _log_figures(context, session, logged)
    if code == INTERRUPTED:
        raise TrainingFailedError(
            "The training run was stopped and saved a checkpoint. Run the same command again to resume it."
        )
    if code != 0:
        tail = _tail(log_file)
        reason = refusal(tail)
        raise TrainingFailedError(
            f"{reason} The whole log is {log_file}."
            if reason is not None
            else f"The trainer ended with code {code}. The end of {log_file}:\n{tail}"
        )


def _log_figures(context: dg.AssetExecutionContext, session: dg.PipesSession, logged: int) -> int:
    """Logs the figures that came through Pipes after the first `logged`; returns the number of all."""
    messages = session.get_custom_messages()
    for message in messages[logged:]:
        figures = {name: value for name, value in message.items() if name not in ("stage", "step", "steps")}
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        context.log.info(f"{message['stage']}: step {message['step']} of {message['steps']}, {text}")
    return len(messages)


def _tail(log_file: Path) -> str:
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-LOG_LINES:])
