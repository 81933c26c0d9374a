"""Judging under failure, and the speed and memory of scoring.

    python -m benchmarks.perf.scoring --json scoring.json

Failure: a judge that refuses, throttles, hangs up and talks nonsense, over 200 samples, killed twice.
Speed: 1,542 stored replies parsed, scored, bootstrapped a thousand times and reported with thumbnails;
the memory of that beside the memory for a quarter of the samples; and the size of the page for three models.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.parsing.reading import State
from benchmarks.perf.figures import Figure, show_figures, show_table, write_figures
from benchmarks.perf.judge_server import Log, judge_server, lasting_deed, misbehave
from benchmarks.perf.stored_run import store_run, write_suite
from models.vlm.replies import read_records

SAMPLES = 200
STORED = 1542
KILLS = (50, 140)
"""Questions after which the run is killed."""

EXPECTED = {
    "good": State.OK,
    "refuse": State.REFUSED,
    "filter": State.REFUSED,
    "empty": State.PARSE_FAILED,
    "throttle": State.API_FAILED,
    "cut": State.API_FAILED,
    "garbage": State.API_FAILED,
    "error": State.API_FAILED,
    "surrogate": State.OK,
}
"""What a sample's state must be after what the judge does with it for ever."""

MAX_SECONDS, MAX_RATIO, MAX_MEGABYTES = 60.0, 1.25, 25.0
SIDE = 512
"""Of the images that are scored, in pixels, as GEdit-Bench's are; all are different PNG files."""


class Timed(NamedTuple):
    """One run of the command and its page.

    Attributes:
        seconds: by the clock on the wall.
        processor_seconds: of the command and of the processes that it starts.
        megabytes: of memory, the most that one of these processes took.
        page_megabytes: of index.html.
    """

    seconds: float
    processor_seconds: float
    megabytes: float
    page_megabytes: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where every figure holds, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--side", type=int, default=SIDE, help="of the scored pictures, in pixels")
    parser.add_argument("--samples", type=int, default=STORED, help="stored replies that are timed")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        figures = [
            *judge_figures(Path(scratch) / "judge", SAMPLES),
            *speed_figures(Path(scratch) / "speed", options.samples, options.side),
        ]
    show_figures(figures)
    if options.json:
        write_figures(options.json, figures)
    return 0 if all(figure.holds for figure in figures) else 1


def judge_figures(folder: Path, samples: int, kills: Sequence[int] = KILLS) -> list[Figure]:
    """Returns how exact a run is whose judge misbehaves and which is killed on the way.

    Args:
        folder: to work in.
        samples: of the suite.
        kills: numbers of questions after which the run is killed outright.
    """
    items = write_suite(folder / "data", samples, side=64)
    models = store_run(folder, items, models=1, side=64, replies=False)
    with judge_server(misbehave, name=_sample_of) as (url, log):
        command = _command(folder, models, ["--judge", "openai:bad-day", "--judge-url", f"{url}/v1"])
        asked_again = 0
        for after in kills:
            asked_again += _killed_run(command, folder, log, after)
        stored, start = _answered(folder), len(log.order)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asked_again += asked_twice(log.order, start, stored)
        stored, start = _answered(folder), len(log.order)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asked_again += asked_twice(log.order, start, stored)
    return _accounted(folder, samples, asked_again)


def speed_figures(folder: Path, samples: int, side: int) -> list[Figure]:
    """Returns seconds and memory of scoring stored replies, and the size of a page for three models."""
    quarter = _timed(folder / "quarter", max(2, samples // 4), models=1, side=side)
    whole = _timed(folder / "whole", samples, models=1, side=side)
    three = _timed(folder / "three", samples, models=3, side=min(side, 256))
    show_table(
        f"Stored replies, {side} x {side} PNG, {os.cpu_count()} cores",
        ("samples", "models", "seconds", "of processors", "peak MB", "page MB"),
        [(samples // 4, 1, *quarter), (samples, 1, *whole), (samples, 3, *three)],
    )
    ratio = whole.megabytes / quarter.megabytes
    page = max(whole.page_megabytes, three.page_megabytes)
    return [
        Figure("scoring.seconds", whole.seconds, "s", f"< {MAX_SECONDS:.0f}", whole.seconds < MAX_SECONDS),
        Figure("scoring.memory_ratio_4x", ratio, "of a quarter", f"< {MAX_RATIO}", ratio < MAX_RATIO),
        Figure("report.megabytes", page, "MB", f"< {MAX_MEGABYTES:.0f}", page < MAX_MEGABYTES),
    ]


def _timed(folder: Path, samples: int, *, models: int, side: int) -> Timed:
    items = write_suite(folder / "data", samples, side=side)
    places = store_run(folder, items, models=models, side=side, replies=True)
    command = _command(folder, places, ["--judge", f"replay:{folder / 'stored' / 'replies.jsonl'}"])
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError((child.stderr.read() if child.stderr else b"").decode()[-2000:])
    page = folder / "run" / "index.html"
    processors = usage.ru_utime + usage.ru_stime
    return Timed(seconds, processors, usage.ru_maxrss / 1024, page.stat().st_size / 1e6)


def _command(folder: Path, models: dict[str, Path], judge: Sequence[str]) -> list[str]:
    outputs = [word for name, place in models.items() for word in ("--outputs", f"{name}={place}")]
    start = [sys.executable, "-m", "benchmarks.command", "--suite", "rededit", "--data", str(folder / "data")]
    return [*start, *outputs, *judge, "--retry-wait", "0.01", "--out", str(folder / "run")]


def _killed_run(command: Sequence[str], folder: Path, log: Log, after: int) -> int:
    """Starts the run, kills it after so many questions, and returns how many answered ones it asked again."""
    stored, start = _answered(folder), len(log.order)
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(log.asked) < after and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return asked_twice(log.order, start, stored)


def asked_twice(order: Sequence[str], start: int, stored: Set[str]) -> int:
    """Returns how often a run asked what had an answer: stored before it began, or given to itself.

    Args:
        order: every sample that the judge was asked about, over all runs.
        start: where this run begins.
        stored: samples whose answers were on the disk then.
    """
    came, answered, again = Counter(order[:start]), set(stored), 0
    for sample in order[start:]:
        again += sample in answered
        came[sample] += 1
        if EXPECTED[misbehave(sample, came[sample])] is not State.API_FAILED:
            answered.add(sample)
    return again


def _answered(folder: Path) -> set[str]:
    """Returns the samples whose question has an answer in the store as it lies on the disk now."""
    path = folder / "run" / "replies.jsonl"
    if not path.exists():
        return set()
    return {record["place"][1] for record in read_records(path) if record["state"] != State.API_FAILED}


def _accounted(folder: Path, samples: int, asked_again: int) -> list[Figure]:
    scores = pl.read_csv(folder / "run" / "scores.csv", schema_overrides={"sample_id": pl.String})
    report = json.loads((folder / "run" / "report.json").read_text(encoding="utf-8"))
    rows, wrong = [], 0
    for view in ("official", "strict"):
        states = dict(scores.filter(pl.col("view") == view).select("sample_id", "state").iter_rows())
        expected = {str(number): EXPECTED[lasting_deed(str(number))] for number in range(1, samples + 1)}
        different = sum(states.get(sample) != state for sample, state in expected.items())
        coverage = sum(state is State.OK for state in expected.values()) / samples
        found = next(row["coverage"] for row in report["figures"] if row["view"] == view)
        wrong += different + (abs(found - coverage) > 1e-12)
        rows += [
            (
                view,
                state,
                sum(one is state for one in expected.values()),
                sum(s == state for s in states.values()),
            )
            for state in State
        ]
    show_table(f"Samples by state, {samples} samples", ("view", "state", "expected", "found"), rows)
    return [
        Figure("judge.unaccounted", wrong, "samples", "0", wrong == 0),
        Figure("judge.asked_twice", asked_again, "answered questions", "0", asked_again == 0),
    ]


def _sample_of(body: str) -> str:
    found: Any = re.search(r"sample (\d+)", body)
    return found.group(1)


if __name__ == "__main__":
    sys.exit(main())
