"""One rank of a training run: `torchrun --nproc-per-node=2 -m trainers.train --run run.json`.

Exit code 75 says that the run was told to stop, has saved a checkpoint, and resumes when it is started again.
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
from trainers.launch.local import INTERRUPTED
from trainers.loop import Training, prepare, result_editor, train
from trainers.outputs import RESULT, forget_other_run, input_digests, locked, publish, summarize
from trainers.stages.stage import open_context
from trainers.strategies.deepspeed import barrier, join_process_group, leave_process_group
from trainers.tracking import Tracker


@record
def main() -> None:
    """Runs one rank; ends the process with code 75 where it was told to stop."""
    parser = argparse.ArgumentParser(description="Train one stage on the ranks that torchrun started.")
    parser.add_argument("--run", type=Path, required=True, help="JSON file of trainers.config.StageRun")
    run = StageRun.model_validate_json(parser.parse_args().run.read_text())
    # A SIGKILL of torchrun's process group doesn't reach its ranks: each has a session of its own.
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
    """Returns whether SIGTERM or SIGINT has come, when asked; from now on they end nothing by themselves."""
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: received.append(number))
    return lambda: bool(received)


def run_stage(run: StageRun, rank: int, world_size: int, stop_requested: Callable[[], bool]) -> bool:
    """Returns whether the stage is finished, after training on this rank what was left of it.

    Args:
        run: the same on every rank.
        rank: of this process in the process group.
        world_size: how many ranks there are.
        stop_requested: asked after every step; the run then saves a checkpoint and returns False.
    """
    with locked(run.output) if rank == 0 else nullcontext():
        if rank == 0:
            forget_other_run(run, world_size)
        barrier()
        if (run.output / RESULT).exists():
            return True
        training = prepare(open_context(run, rank, world_size))
        return _tracked(training, stop_requested) if rank == 0 else _train(training, stop_requested)


def _tracked(training: Training, stop_requested: Callable[[], bool]) -> bool:
    run = training.context.run
    step = training.position.step
    with Tracker(run, resumed_at=step or None, digests=input_digests(run)) as tracker:
        training.tracker = tracker
        return _train(training, stop_requested)


def _train(training: Training, stop_requested: Callable[[], bool]) -> bool:
    context = training.context
    finished = train(training, stop_requested)
    if finished:
        editor = result_editor(training)
        if training.tracker is not None:
            result = summarize(
                context.run,
                world_size=context.world_size,
                seconds=training.position.seconds,
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
