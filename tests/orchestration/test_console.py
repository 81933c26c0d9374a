import logging
import math
import subprocess
import sys
from io import StringIO
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tiny_run import REPOSITORY

from orchestration import console as console_module
from orchestration.console import LINE_EVERY_SECONDS, RunConsole, clock, own_stderr


class Run:
    """A run that is told, second by second, on a clock that only this test moves."""

    def __init__(self, monkeypatch, expected, *, terminal=False):
        self.now = 1000.0
        monkeypatch.setattr(console_module.time, "monotonic", lambda: self.now)
        self.paper = StringIO()
        screen = Console(file=self.paper, force_terminal=terminal, width=120, color_system=None)
        self.console = RunConsole(expected, screen)

    def event(self, kind, step, **metadata):
        made = SimpleNamespace(metadata={name: SimpleNamespace(value=one) for name, one in metadata.items()})
        data = SimpleNamespace(materialization=made)
        event = SimpleNamespace(event_type_value=kind, step_key=step, event_specific_data=data)
        self.log(logging.DEBUG, "", step, event)

    def log(self, level, message, step, event=None):
        record = logging.LogRecord("run", level, "", 0, f"all - 1a2b - {message}", None, None)
        record.__dict__["dagster_meta"] = {
            "dagster_event": event,
            "step_key": step,
            "orig_message": message,
        }
        self.console.emit(record)

    @property
    def said(self):
        return self.paper.getvalue()


@pytest.fixture
def run(monkeypatch):
    return lambda expected, **options: Run(monkeypatch, expected, **options)


def test_what_is_expected_of_a_machine_like_the_reference_comes_true(run):
    told = run({"a": 10.0, "b": 30.0, "c": 0.0})
    assert told.console.seconds_left() == 40
    for asset, seconds in (("a", 10), ("b", 30), ("c", 0)):
        told.event("STEP_START", asset)
        for _ in range(seconds):
            before = told.console.seconds_left()
            told.now += 1
            assert told.console.seconds_left() == pytest.approx(before - 1)
        told.event("STEP_SUCCESS", asset)
    assert told.console.seconds_left() == 0
    assert "3/3 assets, 0:40 elapsed, about 0:00 left" in told.said


def test_a_slower_machine_raises_the_estimate_of_what_is_ahead(run):
    told = run({"a": 100.0, "b": 100.0})
    told.event("STEP_START", "a")
    told.now += 300
    told.event("STEP_SUCCESS", "a")
    assert 250 < told.console.seconds_left() < 300


@pytest.mark.parametrize(
    ("reports", "left"),
    [([(0, 10), (50, 20)], 400), ([(0, 0), (15, 1), (10, 11)], 89)],
    ids=["resumed", "after imports"],
)
def test_work_that_goes_on_is_as_fast_as_the_steps_that_were_seen(run, reports, left):
    told = run({"training": 10.0})
    told.event("STEP_START", "training")
    for seconds, step in reports:
        told.now += seconds
        told.console.progress("training sft", step, 100)
    assert told.console.seconds_left() == pytest.approx(left)


event = st.tuples(st.sampled_from(["tick", "progress", "next"]), st.floats(0, 500), st.integers(0, 9))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=6), st.lists(event, max_size=40))
def test_the_time_left_is_finite_and_only_news_can_raise_it(expected, happened):
    with pytest.MonkeyPatch.context() as patch:
        assets = {f"asset{number}": seconds for number, seconds in enumerate(expected)}
        told = Run(patch, assets)
        waiting = list(assets)
        current = None
        for what, seconds, number in happened:
            before = told.console.seconds_left()
            told.now += seconds
            after = told.console.seconds_left()
            assert after <= before + 1e-6, "time went by and more of it was left"
            if what == "progress" and current is not None:
                told.console.progress("work", number, 9)
            elif what == "next":
                if current is not None:
                    told.event("STEP_SUCCESS", current)
                current = waiting.pop(0) if waiting else None
                if current is not None:
                    told.event("STEP_START", current)
            assert math.isfinite(told.console.seconds_left())
            assert told.console.seconds_left() >= 0


def test_an_unknown_duration_is_said_to_be_unknown(run):
    told = run({"a": None, "b": 30.0, "c": None})
    told.event("STEP_START", "a")
    told.now += 100.0
    told.event("STEP_SUCCESS", "a")
    assert "at least 0:30 and 1 asset of unknown duration left" in told.said
    told.event("STEP_START", "b")
    told.now += 30.0
    told.event("STEP_SUCCESS", "b")
    assert "elapsed, 1 asset of unknown duration left" in told.said.splitlines()[-1]


def test_where_there_is_no_terminal_lines_come_now_and_then(run):
    told = run({"a": 60.0})
    told.event("STEP_START", "a")
    for second in range(60):
        told.now += 1
        told.console.progress("measuring images", second, 60)
    lines = told.said.splitlines()
    assert len(lines) == 60 / LINE_EVERY_SECONDS
    assert all("measuring images" in line and "left" in line for line in lines)
    told.event("STEP_SUCCESS", "a")
    assert told.said.splitlines()[-1].split()[:4] == ["done", "a", "60.0", "s"]


def test_a_terminal_is_redrawn_while_an_asset_says_nothing(monkeypatch):
    paper = StringIO()
    monkeypatch.setattr(console_module, "SHOW_EVERY_SECONDS", 0.01)
    drawn = RunConsole({"a": 60.0}, Console(file=paper, force_terminal=True, width=100))
    event = SimpleNamespace(event_type_value="STEP_START", step_key="a")
    record = logging.LogRecord("run", logging.DEBUG, "", 0, "", None, None)
    record.__dict__["dagster_meta"] = {"dagster_event": event, "step_key": "a", "orig_message": ""}
    with drawn:
        drawn.emit(record)
        shown = len(paper.getvalue())
        for _ in range(500):
            if len(paper.getvalue()) > shown + 200:
                break
            console_module.threading.Event().wait(0.01)
    assert len(paper.getvalue()) > shown + 200


def test_a_failure_is_marked_and_only_the_running_asset_may_warn(run):
    told = run({"a": 1.0, "b": 1.0})
    told.event("STEP_START", "a")
    told.log(logging.WARNING, "two files are empty", "a")
    told.log(logging.ERROR, "Dependencies for step b failed: ['a']. Not executing.", "b")
    told.log(logging.INFO, "nothing of note", "a")
    told.event("STEP_FAILURE", "a")
    assert told.said.splitlines()[0] == "two files are empty"
    assert told.said.splitlines()[1].startswith("FAILED  a ")
    assert "Dependencies" not in told.said
    assert "nothing of note" not in told.said


def test_what_was_reused_is_said_to_be_kept(run):
    told = run({"a": 0.0, "b": 1.0})
    for asset, reused in (("a", True), ("b", False)):
        told.event("STEP_START", asset)
        told.event("ASSET_MATERIALIZATION", asset, reused=reused)
        told.event("STEP_SUCCESS", asset)
    assert [line.split()[:2] for line in told.said.splitlines()] == [["kept", "a"], ["done", "b"]]


def test_steps_that_are_no_assets_are_not_counted(run):
    told = run({"a": 1.0})
    told.event("STEP_START", "a_is_right")
    told.event("STEP_SUCCESS", "a_is_right")
    assert told.said == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_seconds_are_shown_as_a_clock_shows_them(seconds, shown):
    assert clock(seconds) == shown


def test_the_console_has_a_standard_error_of_its_own(tmp_path):
    code = "import os; from orchestration.console import own_stderr as own; paper = own(); os.dup2(1, 2)"
    code += "; os.write(2, b'captured'); print('seen', file=paper)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("captured", "seen\n")


def test_where_no_file_stands_behind_standard_error_it_is_taken_as_it_is(monkeypatch):
    paper = StringIO()
    monkeypatch.setattr(sys, "stderr", paper)
    assert own_stderr() is paper
