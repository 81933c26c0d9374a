"""torchrun with an exit code that distinguishes a stopped run from a failed one."""

import sys
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main as torchrun

from trainers.launch.local import INTERRUPTED


def main(arguments: Sequence[str]) -> int:
    """Runs torchrun; returns 0, or 75 if the ranks were stopped and have saved a checkpoint.

    torchrun itself exits with 1 in both cases, so the caller couldn't know that a rerun will resume.

    Raises:
        ChildFailedError: a rank failed.
    """
    try:
        torchrun(list(arguments))
    except SignalException:
        return INTERRUPTED
    except ChildFailedError as error:
        first = error.get_first_failure()[1]  # torchrun ended the other ranks
        if first.exitcode != INTERRUPTED:
            raise
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
