"""Shows a run on the terminal: the current asset, its progress, and the estimated time left."""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple, TextIO

import dagster as dg
from rich.console import Console
from rich.live import Live
from rich.text import Text

LINE_EVERY_SECONDS = 10.0
"""Seconds between two lines if the output is not a terminal, such as a log file."""

SHOW_EVERY_SECONDS = 0.5
"""Seconds between two updates of the line on a terminal, also while an asset reports nothing."""

TRUST_SECONDS = 20.0
"""Weight, in seconds, of the assumption that this machine is as fast as the reference machine."""

INTERRUPTS = {"KeyboardInterrupt", "DagsterExecutionInterruptedError"}
DONE, KEPT, FAILED = ("done", "green"), ("kept", "dim"), ("FAILED", "red")


class Phase(NamedTuple):
    """One task of an asset.

    Attributes:
        what: name of the task.
        begin: time of its first report, in seconds of the monotonic clock.
        first: items that were done at that time.
        left: estimated seconds that it still takes.
    """

    what: str
    begin: float
    first: int
    left: float = 0.0


class RunConsole(logging.Handler):
    """Shows a run from Dagster's events and the progress of its assets.

    It is both the logger of the run and the `progress` that assets call. The time left is the sum of the
    expected durations of the remaining assets, scaled by the speed of this machine so far. Where one of them
    is unknown, this is a lower bound, and said to be one.
    """

    def __init__(self, expected: Mapping[str, float | None], console: Console) -> None:
        """Shows the assets of `expected` on a console.

        Args:
            expected: expected seconds of each asset; None where they are unknown.
            console: where to print.
        """
        super().__init__(logging.DEBUG)
        self._console = console
        self._expected = {name: seconds or 0.0 for name, seconds in expected.items()}
        self._unknown = {name for name, seconds in expected.items() if seconds is None}
        self._took: dict[str, float] = {}
        self._current: tuple[str, float] | None = None
        self._activity = ""
        self._phase = Phase("", begin=0.0, first=0)
        self._mark = DONE
        self._begin = self._last_line = time.monotonic()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._update_regularly, daemon=True)
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "RunConsole":
        if self._live is not None:
            self._live.start()
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._clock.join()
        if self._live is not None:
            self._live.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Updates the display from a Dagster event or a log record."""
        meta = record.__dict__.get("dagster_meta", {})
        event = meta.get("dagster_event")
        kind = getattr(event, "event_type_value", None)
        step = getattr(event, "step_key", None)
        if kind == "STEP_START" and step in self._expected:
            self._start(step)
        elif kind == "ASSET_MATERIALIZATION" and self._is_current(step):
            reused = event.event_specific_data.materialization.metadata.get("reused")
            self._mark = KEPT if reused is not None and reused.value else DONE
        elif kind == "STEP_SUCCESS" and self._is_current(step):
            self._finish(self._mark)
        elif kind == "STEP_FAILURE" and self._is_current(step) and not is_interrupt(event):
            self._finish(FAILED)
        elif record.levelno >= logging.WARNING and event is None and self._is_current(meta.get("step_key")):
            self._console.print(Text(meta["orig_message"], style="yellow"), soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """Updates the display with the progress of the current asset; assets call it as their `Progress`."""
        self._activity = f"{what} {done}/{total}" if total > 1 else what
        now, phase = time.monotonic(), self._phase
        # The time before the first item, such as the imports of a training run, says nothing about its speed.
        if phase.what != what or phase.first == 0:
            phase = Phase(what, begin=now, first=done)
        advanced = done - phase.first
        left = (now - phase.begin) * (total - done) / advanced if advanced > 0 else 0.0
        self._phase = phase._replace(left=left)
        self._show()

    def seconds_left(self) -> float:
        """Returns the estimated seconds until the last asset finishes; unknown durations count as none."""
        known = {name: took for name, took in self._took.items() if name not in self._unknown}
        finished = sum(self._expected[name] for name in known)
        speed = (sum(known.values()) + TRUST_SECONDS) / (finished + TRUST_SECONDS)
        current = self._current
        ahead = sum(
            seconds
            for name, seconds in self._expected.items()
            if name not in self._took and (current is None or name != current[0])
        )
        running = 0.0
        if current is not None:
            name, begin = current
            elapsed = time.monotonic() - begin
            # The current task gives a lower bound only: the asset may have other tasks after it.
            running = max(self._expected[name] * speed - elapsed, self._phase.left, 0.0)
        return ahead * speed + running

    def _is_current(self, step: str | None) -> bool:
        return self._current is not None and self._current[0] == step

    def _start(self, step: str) -> None:
        self._current = (step, time.monotonic())
        self._activity = ""
        self._mark = DONE
        self._phase = Phase("", begin=0.0, first=0)
        self._show()

    def _finish(self, mark: tuple[str, str]) -> None:
        assert self._current is not None
        step, begin = self._current
        took = time.monotonic() - begin
        self._took[step] = took
        self._current = None
        word, style = mark
        line = Text.assemble((f"{word:>6}", style), f"  {step:<16} {took:6.1f} s   ", (self._status(), "dim"))
        self._console.print(line, soft_wrap=True)
        self._last_line = time.monotonic()

    def _update_regularly(self) -> None:
        while not self._ended.wait(SHOW_EVERY_SECONDS):
            self._show()

    def _show(self) -> None:
        current = self._current
        text = f"{current[0] if current else '':<16} {self._activity}   {self._status()}"
        if self._live is not None:
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(Text(f"        {text}"), soft_wrap=True)

    def _status(self) -> str:
        finished, assets = len(self._took), len(self._expected)
        elapsed, left = time.monotonic() - self._begin, self.seconds_left()
        unknown = len(self._unknown - self._took.keys())
        expected = f"about {clock(left)} left"
        if unknown:
            least = f"at least {clock(left)} and " if left > 0 else ""
            assets_unknown = "1 asset" if unknown == 1 else f"{unknown} assets"
            expected = f"{least}{assets_unknown} of unknown duration left"
        return f"{finished}/{assets} assets, {clock(elapsed)} elapsed, {expected}"


def is_interrupt(event: dg.DagsterEvent) -> bool:
    """Returns whether an interrupt made the step or the run of an event fail."""
    error = getattr(event.event_specific_data, "error", None)
    return error is not None and error.cls_name in INTERRUPTS


def clock(seconds: float) -> str:
    """Returns a duration as m:ss, or as h:mm:ss if it is an hour or longer."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def own_stderr() -> TextIO:
    """Returns a copy of standard error with its own file descriptor.

    Dagster captures the original descriptor during a step.
    """
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # not backed by a file descriptor, as in a notebook
        return sys.stderr
