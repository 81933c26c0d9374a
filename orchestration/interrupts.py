"""Ends a command at Ctrl-C or SIGTERM with one line and exit code 130. Imports no heavy library."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

MESSAGE = "Interrupted. Run the same command again to go on."
EXIT_CODE = 128 + signal.SIGINT
SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE_SECONDS = 2.0
"""How long a command may take to end in order."""

POLL_SECONDS = 0.1
SHOW_CURSOR = "\x1b[?25h"

_saving = threading.Event()


@contextmanager
def end_on_interrupt() -> Iterator[None]:
    """Turns an interrupt of the body into MESSAGE and EXIT_CODE.

    The body gets a KeyboardInterrupt and GRACE_SECONDS to end in order; after that, or at a second interrupt,
    the process ends at once. Its own children end with it, see `models.common.processes`.

    Raises:
        click.exceptions.Exit: the body was interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python writes the number of each signal there at once, whichever handler a library has installed and
    # whatever C code the main thread is in.
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    unraisable, sys.unraisablehook = sys.unraisablehook, _show_unraisable
    arrived, say = threading.Event(), _once(_say)
    threading.Thread(target=_end_after_interrupt, args=(reader, arrived, say), daemon=True).start()
    interrupted = False
    try:
        yield
    except KeyboardInterrupt:
        interrupted = True
    except BaseException as error:
        # Libraries turn the interrupt into exceptions of their own, before the thread has read the signal.
        expected = isinstance(error, click.ClickException | click.exceptions.Exit)
        if not arrived.wait(0.0 if expected else POLL_SECONDS):
            raise
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.set_wakeup_fd(wakeup)
        sys.unraisablehook = unraisable
        os.close(writer)
    if interrupted or arrived.is_set():  # web servers return from an interrupt as if all was done
        say()
        if arrived.wait(POLL_SECONDS):
            sys.stdout.flush()
            os._exit(EXIT_CODE)  # the interpreter's own end takes a second, and waits for threads
        raise click.exceptions.Exit(EXIT_CODE)


@contextmanager
def saving() -> Iterator[None]:
    """Lets the body finish after an interrupt, because it saves what would otherwise be lost."""
    _saving.set()
    try:
        yield
    finally:
        _saving.clear()


def _end_after_interrupt(reader: int, arrived: threading.Event, say: Callable[[], None]) -> None:
    if not _interrupted(reader):
        os.close(reader)
        return
    arrived.set()
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        if select.select([reader], [], [], POLL_SECONDS)[0] and _interrupted(reader):
            break
        if _saving.is_set():
            deadline = time.monotonic() + GRACE_SECONDS
    say()
    os._exit(EXIT_CODE)


def _interrupted(reader: int) -> bool:
    """Waits for a signal; returns whether it is an interrupt, or False at the end of the command."""
    while number := os.read(reader, 1):
        if number[0] in SIGNALS:
            return True
    return False


def _show_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Shows an exception that a destructor cannot raise, unless it is an interrupt: that ends the process."""
    if issubclass(unraisable.exc_type, Exception):
        sys.__unraisablehook__(unraisable)


def _once(action: Callable[[], None]) -> Callable[[], None]:
    """Returns a function that calls the action the first time only, and returns when that call has ended."""
    lock, left = threading.Lock(), [action]

    def call() -> None:
        with lock:
            if left:
                left.pop()()

    return call


def _say() -> None:
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""  # a progress display may have hidden it
    click.echo(f"{cursor}{MESSAGE}", err=True)
