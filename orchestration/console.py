"""What a person sees while a run goes on: which asset, how far, and about how long until the end."""

import logging
import time
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text

LINE_EVERY_SECONDS = 10.0
"""How often a line is printed where there is no terminal, as in a log file."""

REFERENCE_SECONDS: Mapping[str, float] = {}
UNKNOWN_SECONDS = 5.0


class RunConsole(logging.Handler):
    """Follows a run through Dagster's events and the progress of its assets.

    It is the logger of the run and the `progress` that assets report to. The estimate of the time left
    is what each asset took on the reference machine, scaled by how fast this machine has been so far.
    """

    def __init__(self, expected: Mapping[str, float], console: Console) -> None:
        """Follows the assets of `expected`, the seconds that each is expected to take."""
        super().__init__(logging.DEBUG)
        self._console = console
        self._expected = dict(expected)
        self._took: dict[str, float] = {}
        self._current: tuple[str, float] | None = None
        self._activity = ""
        self._begin = self._last_line = time.monotonic()
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "RunConsole":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a Dagster event or a log line."""
        event = record.__dict__.get("dagster_meta", {}).get("dagster_event")
        kind = getattr(event, "event_type_value", None)
        step = getattr(event, "step_key", None)
        if kind == "STEP_START" and step in self._expected:
            self._start(step)
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE") and self._current and self._current[0] == step:
            self._finish(kind == "STEP_SUCCESS")
        elif record.levelno >= logging.WARNING and event is None:
            self._console.print(Text(record.getMessage(), style="yellow"))

    def progress(self, what: str, done: int, total: int) -> None:
        """Takes how far an asset's current work is; the `Progress` of assets."""
        self._activity = f"{what} {done}/{total}" if total > 1 else what
        self._show()

    def seconds_left(self) -> float:
        """Returns the estimated seconds until the last asset is finished."""
        known = sum(self._expected[name] for name in self._took)
        speed = min(max(sum(self._took.values()) / known, 0.3), 5.0) if known > 0 else 1.0
        ahead = sum(
            seconds
            for name, seconds in self._expected.items()
            if name not in self._took and (self._current is None or name != self._current[0])
        )
        running = 0.0
        if self._current is not None:
            name, begin = self._current
            running = max(self._expected[name] * speed - (time.monotonic() - begin), 0.0)
        return ahead * speed + running

    def _start(self, step: str) -> None:
        self._current = (step, time.monotonic())
        self._activity = ""
        self._show()

    def _finish(self, succeeded: bool) -> None:
        assert self._current is not None
        step, begin = self._current
        took = time.monotonic() - begin
        self._took[step] = took
        self._current = None
        mark, style = ("done", "green") if succeeded else ("FAILED", "red")
        line = Text.assemble((f"{mark:>6}", style), f"  {step:<16} {took:6.1f} s   ", (self._status(), "dim"))
        self._console.print(line)
        self._last_line = time.monotonic()

    def _show(self) -> None:
        name = self._current[0] if self._current else ""
        text = f"{name:<16} {self._activity}   {self._status()}"
        if self._live is not None:
            self._live.update(Text(text), refresh=True)
        elif time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._console.print(Text(f"        {text}"), soft_wrap=True)
            self._last_line = time.monotonic()

    def _status(self) -> str:
        finished, assets = len(self._took), len(self._expected)
        elapsed, left = time.monotonic() - self._begin, self.seconds_left()
        return f"{finished}/{assets} assets, {clock(elapsed)} gone, about {clock(left)} left"


def clock(seconds: float) -> str:
    """Returns seconds as m:ss, or h:mm:ss from an hour on."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
