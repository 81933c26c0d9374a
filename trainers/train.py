"""One rank of a training run: `torchrun --nproc-per-node=2 -m trainers.train --run run.json`.

Exit code 75 means that the run was stopped by a signal and has saved a checkpoint. Started again, it resumes.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from models.common.processes import die_with_parent
from trainers.config import StageRun
from trainers.identity import RESULT, Layout, claim, finished_result, input_digests, locked
from trainers.launch.local import INTERRUPTED
from trainers.loop import TrainState, prepare, result_editor, train
from trainers.outputs import publish, summarize
from trainers.stages.stage import open_context
from trainers.strategies.deepspeed import barrier, join_process_group, leave_process_group
from trainers.tracking import Tracker


@record
def main() -> None:
    """Runs one rank. If a signal stops the run, the process exits with code 75."""
    parser = argparse.ArgumentParser(description="Train one stage on the ranks that torchrun started.")
    parser.add_argument("--run", type=Path, required=True, help="JSON file of a trainers.config.StageRun")
    run = StageRun.model_validate_json(parser.parse_args().run.read_text())
    # A SIGKILL to torchrun's process group doesn't reach the ranks, since each has a session of its own.
    die_with_parent(signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stop_requested = stop_on_signals()
    rank, world_size = join_process_group()
    try:
        finished = run_stage(run, rank, world_size, stop_requested)
    finally:
        leave_process_group()
    if not finished:
        sys.exit(INTERRUPTED)


def stop_on_signals() -> Callable[[], bool]:
    """Returns a function that says whether SIGTERM or SIGINT has arrived. They no longer end the process."""
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: received.append(number))
    return lambda: bool(received)


def run_stage(run: StageRun, rank: int, world_size: int, stop_requested: Callable[[], bool]) -> bool:
    """Trains what is left of a stage on this rank; returns whether the stage is finished.

    Args:
        run: the same on every rank.
        rank: rank of this process.
        world_size: number of ranks.
        stop_requested: called after every step. If it returns True, the run saves a checkpoint and returns
            False.
    """
    with locked(run.output) if rank == 0 else nullcontext():
        if rank == 0:
            claim(run, Layout(world_size, run.config.zero_stage))
            if finished_result(run.output) is None:
                (run.output / RESULT).unlink(missing_ok=True)  # its files are damaged: published again below
        barrier()
        if (run.output / RESULT).exists():
            return True
        training = prepare(open_context(run, rank, world_size))
        return _train_tracked(training, stop_requested) if rank == 0 else _train(training, stop_requested)


def _train_tracked(training: TrainState, stop_requested: Callable[[], bool]) -> bool:
    run = training.context.run
    step = training.progress.step
    with Tracker(run, resumed_at=step or None, digests=input_digests(run)) as tracker:
        training.tracker = tracker
        return _train(training, stop_requested)


def _train(training: TrainState, stop_requested: Callable[[], bool]) -> bool:
    context = training.context
    finished = train(training, stop_requested)
    if finished:
        editor = result_editor(training)
        if training.tracker is not None:
            result = summarize(
                context.run,
                world_size=context.world_size,
                seconds=training.progress.seconds,
                mlflow_run_id=training.tracker.mlflow_run_id(),
            )
            publish(context.run, editor, training.stage.first_seen(), result)
            training.tracker.finished()
        barrier()
    elif training.tracker is not None:
        training.tracker.interrupted()
    return finished


if __name__ == "__main__":
    main()
