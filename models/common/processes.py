"""Ends processes when the process that started them ends, also when that one is killed by SIGKILL.

- `supervised` wraps a command. A supervisor, which is this file run as a script, ends the command and all
  processes that the command started.
- `process_pool` starts worker processes that end with the process that owns the pool.
- `die_with_parent` binds the calling process to its parent.

Otherwise the children of a killed process go on, hold its standard output open, and work beside its next run.
"""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ORPHANED = 128 + signal.SIGTERM
POLL_SECONDS = 0.1

TRACKER_WARNING = "ignore:resource_tracker:UserWarning"
"""After a kill, multiprocessing's resource tracker removes what is left, and would warn on the terminal."""

ORPHAN_SECONDS = 1.5
"""How long a command may take to end by itself after the process that started it died."""


def supervised(command: Sequence[str], *, stop_seconds: float) -> list[str]:
    """Returns the command line that runs a command and ends it, and all that it started, with this process.

    On SIGTERM, the command has `stop_seconds` to end by itself. When this process dies, it has
    ORPHAN_SECONDS. Whatever is left then is killed, and so is everything that outlives the command.

    Args:
        command: the command line; the exit code is that of this command.
        stop_seconds: how long the command may take to end after SIGTERM.
    """
    return [sys.executable, "-P", __file__, str(os.getpid()), str(stop_seconds), *command]


@contextmanager
def process_pool(workers: int, prepare: Callable[[], object]) -> Iterator[ProcessPoolExecutor]:
    """Yields a pool of spawned processes, which end with this process.

    When an interrupt leaves the body, the workers are killed at once; after an error, those at work finish.

    Args:
        workers: number of processes.
        prepare: called once in each worker. It must be importable from there.
    """
    if TRACKER_WARNING not in sys.warnoptions:
        sys.warnoptions.append(TRACKER_WARNING)  # the tracker starts with the options of this process
    pool = ProcessPoolExecutor(workers, _WorkerContext(), initializer=_start_worker, initargs=(prepare,))
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        if not isinstance(error, Exception):
            _kill_workers()
        raise
    finally:
        pool.shutdown()


def die_with_parent(death_signal: signal.Signals) -> None:
    """Asks the kernel to send `death_signal` to this process when its parent dies; survives exec.

    To the kernel, the parent is the thread that started this process. Use it only where that thread lives as
    long as its process.

    Raises:
        OSError: the kernel refused the request.
        SystemExit: the parent died before the request.
    """
    parent = os.getppid()
    if sys.platform != "linux":
        threading.Thread(target=_follow, args=(parent, death_signal), daemon=True).start()
        return
    _prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        raise SystemExit(ORPHANED)


def main(arguments: Sequence[str]) -> int:
    """Runs a command of `supervised` as its supervisor; returns the command's exit code."""
    parent, stop_seconds, command = int(arguments[0]), float(arguments[1]), arguments[2:]
    # A signal to the process group or terminal of the parent must not end the supervisor before its command.
    with suppress(PermissionError):  # it leads a session already
        os.setsid()
    if sys.platform == "linux":
        _prctl(
            PR_SET_CHILD_SUBREAPER, 1
        )  # grandchildren that lose their parent become children of this process
    requests: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: requests.append(number))
    with subprocess.Popen(command, preexec_fn=_die_with_supervisor) as process:
        asked_at: float | None = None
        while process.poll() is None:
            orphaned = os.getppid() != parent
            if orphaned or requests:
                if asked_at is None:
                    asked_at = time.monotonic()
                    process.terminate()
                if time.monotonic() - asked_at > (ORPHAN_SECONDS if orphaned else stop_seconds):
                    process.kill()
            time.sleep(POLL_SECONDS)
    _kill_descendants()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _kill_descendants() -> None:
    """Kills what is left below this process.

    Processes in a session of their own may be supervisors, which notice the death of their parent and end
    their command in order, so they get time for that.
    """
    session, begin = os.getsid(0), time.monotonic()
    while descendants := psutil.Process().children(recursive=True):
        patient = time.monotonic() - begin < ORPHAN_SECONDS + 5 * POLL_SECONDS
        for process in descendants:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if not patient or os.getsid(process.pid) == session:
                    process.kill()
        psutil.wait_procs(descendants, timeout=POLL_SECONDS)


def _die_with_supervisor() -> None:
    if sys.platform == "linux":
        die_with_parent(signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}) failed: {os.strerror(code)}")


def _follow(parent: int, death_signal: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), death_signal)


class _WorkerProcess(SpawnProcess):
    """A worker that Ctrl-C does not reach. Its owner ends it, and no worker prints a traceback."""

    def start(self) -> None:
        # A child inherits the mask of the thread that starts it, from its first instruction on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _WorkerContext(SpawnContext):
    """Spawns workers: forking a process with threads, such as Dagster's, can deadlock."""

    Process = _WorkerProcess


def _start_worker(prepare: Callable[[], object]) -> None:
    owner = multiprocessing.parent_process()
    assert owner is not None
    # Not `die_with_parent`: the thread that starts a worker may end before the pool.
    threading.Thread(target=_die_with_owner, args=(owner.sentinel,), daemon=True).start()
    prepare()


def _die_with_owner(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_workers() -> None:
    for process in multiprocessing.active_children():
        if isinstance(process, _WorkerProcess):
            process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
