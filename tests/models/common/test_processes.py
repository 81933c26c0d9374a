"""No process outlives the one that it belongs to, whichever way that one ends."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
from marked_processes import marked

from models.common import processes

REPOSITORY = Path(__file__).parents[3]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
SECONDS = 5
"""How long after a kill a process may be alive."""

# A program that ignores SIGTERM and has started two children, one of them in a session of its own.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for own in (False, True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=own)
print("ready", flush=True)
while True: time.sleep(600)
"""

# A program that notes SIGTERM in a file before it ends, as ranks save a checkpoint.
NOTING = """
import pathlib, signal, sys, time
def note(*signal):
    pathlib.Path(sys.argv[1]).write_text("told to end")
    sys.exit(0)
signal.signal(signal.SIGTERM, note)
print("ready", flush=True)
time.sleep(600)
"""

# An owner of a supervised program, and one of a pool whose workers were started by a thread that has ended.
SUPERVISING = """
import subprocess, sys
from models.common.processes import supervised
subprocess.Popen(supervised([sys.executable, "-c", *sys.argv[2:]], stop_seconds=float(sys.argv[1]))).wait()
"""
POOLING = """
import sys, threading, time
from models.common.processes import process_pool

def prepare():
    print("ready", flush=True)

if __name__ == "__main__":
    with process_pool(2, prepare) as pool:
        starter = threading.Thread(target=lambda: [pool.submit(time.sleep, 600) for _ in range(4)])
        starter.start()
        starter.join()
        time.sleep(600)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a program and waits until it says so often that it is ready; all its processes carry a mark."""
    mark, started = uuid.uuid4().hex, []

    def start(code, *arguments, ready=1):
        file = tmp_path / f"program{len(started)}.py"
        file.write_text(code)
        process = subprocess.Popen(
            [sys.executable, file, *arguments],
            env=os.environ | {"MARK": mark, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(ready)] == ["ready\n"] * ready
        return process

    start.left = lambda: marked(mark)
    yield start
    for process in start.left():
        process.kill()


def none_left(start) -> bool:
    end = time.monotonic() + SECONDS
    while start.left() and time.monotonic() < end:
        time.sleep(0.05)
    return not start.left()


STARTS = re.compile(
    r"subprocess\.(Popen|run|call|check_\w+)\(|ProcessPoolExecutor\(|\.Process\("
    r"|os\.(fork|spawn\w+|posix_spawn\w*|system)\("
)
ENDING = {
    "models/common/processes.py": "supervises, and owns pools",
    "orchestration/launch.py": "starts a supervised command",
    "orchestration/screenshots.py": "starts a supervised command",
    "orchestration/ui.py": "starts supervised commands",
    "assets/corpora/probe.py": "calls die_with_parent",
    "assets/lake/platform_record.py": "waits for git, which takes milliseconds",
    "benchmarks/perf/house.py": "is run by people",
    "benchmarks/perf/scoring.py": "is run by people, and kills what it starts",
}
"""Every file that starts a process, and why that process does not outlive it."""


def test_every_place_that_starts_a_process_is_known_to_end_it():
    packages = ("assets", "benchmarks", "models", "orchestration", "trainers")
    sources = [path for package in packages for path in (REPOSITORY / package).rglob("*.py")]
    starting = {str(path.relative_to(REPOSITORY)) for path in sources if STARTS.search(path.read_text())}
    assert starting == ENDING.keys()


@LINUX
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_nothing_of_a_supervised_command_outlives_its_killed_owner(start, kill):
    owner = start(SUPERVISING, "60", STUBBORN)
    assert len(start.left()) == 5
    kill(owner.pid, signal.SIGKILL)
    assert owner.communicate(timeout=SECONDS)[0] == "", "an orphan holds standard output"
    assert none_left(start)


@LINUX
def test_a_supervised_command_is_asked_to_end_first(start, tmp_path):
    note = tmp_path / "note"
    owner = start(SUPERVISING, "60", NOTING, str(note))
    owner.kill()
    assert none_left(start)
    assert note.read_text() == "told to end"


@LINUX
def test_a_command_that_does_not_end_is_killed_after_its_time(start):
    owner = start(SUPERVISING, "0.2", STUBBORN)
    [supervisor] = psutil.Process(owner.pid).children()
    supervisor.terminate()
    assert owner.wait(SECONDS) == 0
    assert none_left(start)


def test_the_exit_code_is_that_of_the_command():
    for code, expected in (("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)):
        command = processes.supervised([sys.executable, "-c", code], stop_seconds=1)
        assert subprocess.run(command, check=False).returncode == expected


@LINUX
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_no_worker_outlives_the_owner_of_its_pool(start, kill):
    owner = start(POOLING, ready=2)
    assert len(start.left()) == 4, "the owner, two workers and the resource tracker"
    kill(owner.pid, signal.SIGKILL)
    said, complained = owner.communicate(timeout=SECONDS)
    assert (said, complained) == ("", "")
    assert none_left(start)


@LINUX
def test_an_interrupt_of_the_group_ends_a_pool_without_a_word_of_its_workers(start):
    owner = start(POOLING, ready=2)
    os.killpg(owner.pid, signal.SIGINT)
    _, complained = owner.communicate(timeout=SECONDS)
    assert complained.count("Traceback") == 1, "that of the owner"
    assert none_left(start)


@LINUX
def test_a_parent_that_died_before_the_request_ends_the_process(monkeypatch):
    parents = iter([100, 1])
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda *args, **options: FakeLibrary(0))
    with pytest.raises(SystemExit) as caught:
        processes.die_with_parent(signal.SIGTERM)
    assert caught.value.code == 143


@LINUX
def test_a_refusal_of_the_kernel_is_an_error(monkeypatch):
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda *args, **options: FakeLibrary(-1))
    with pytest.raises(OSError, match="prctl"):
        processes.die_with_parent(signal.SIGTERM)


class FakeLibrary:
    def __init__(self, answer):
        self.answer = answer

    def prctl(self, option, value):
        assert (option, value) == (1, signal.SIGTERM)
        return self.answer


def test_without_prctl_a_rank_follows_its_parent(monkeypatch):
    ended = []
    parents = iter([100, 100])
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes.sys, "platform", "darwin")
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents, 1))
    monkeypatch.setattr(processes.os, "kill", lambda pid, number: ended.append((pid, number)))
    processes.die_with_parent(signal.SIGKILL)
    end = time.monotonic() + 20
    while not ended and time.monotonic() < end:
        time.sleep(0.01)
    assert ended == [(os.getpid(), signal.SIGKILL)]
