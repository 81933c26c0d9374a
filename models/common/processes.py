"""Ends a process when its parent dies: `python -m models.common.processes -m MODULE ...`.

Otherwise a Dagster step or a server killed by SIGKILL would leave its child processes running, and a retry
would start a second set. The arguments after `-m models.common.processes` are passed to the interpreter that
replaces this process. This module imports nothing heavy, because it runs before every training.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
ORPHANED = 128 + signal.SIGTERM
POLL_SECONDS = 1.0


def die_with_parent(death_signal: signal.Signals) -> None:
    """Asks the kernel to send `death_signal` to this process when its parent dies; survives exec.

    Raises:
        OSError: the kernel refused the request.
        SystemExit: the parent died before the request.
    """
    parent = os.getppid()
    if sys.platform != "linux":
        threading.Thread(target=_follow, args=(parent, death_signal), daemon=True).start()
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(code)}")
    if os.getppid() != parent:
        raise SystemExit(ORPHANED)


def main(arguments: Sequence[str]) -> int:
    """Replaces this process by the interpreter; where that is not possible, returns its exit code."""
    command = [sys.executable, *arguments]
    if sys.platform == "linux":
        die_with_parent(signal.SIGTERM)
        os.execv(sys.executable, command)  # noqa: S606 the same interpreter, no shell
    return wait_while_parent_lives(command)


def wait_while_parent_lives(command: Sequence[str]) -> int:
    """Runs a command, ends it when the parent dies, and returns its exit code; for systems without prctl."""
    parent = os.getppid()
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            if os.getppid() != parent:
                process.terminate()
            time.sleep(POLL_SECONDS)
        return process.returncode


def _follow(parent: int, death_signal: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), death_signal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
