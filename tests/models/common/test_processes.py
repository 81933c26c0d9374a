import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.common import processes
from models.common.processes import wait_while_parent_lives

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")

# A step worker: it starts its argument as a trainer, tells that one's process id, and waits.
WORKER = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(60)"

# A trainer: it notes SIGTERM in a file before it ends, as the ranks note it in a checkpoint.
TRAINER = """
import pathlib, signal, sys, time
def note(*signal):
    pathlib.Path(sys.argv[1]).write_text("told to end")
    sys.exit(0)
signal.signal(signal.SIGTERM, note)
pathlib.Path(sys.argv[1] + ".ready").touch()
time.sleep(60)
"""


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    """Whether a process runs; one that ended and waits for its parent to look does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@LINUX
def test_a_trainer_is_told_to_end_when_its_step_worker_is_killed(tmp_path):
    note = tmp_path / "note"
    trainer = [sys.executable, "-m", "models.common.processes", "-c", TRAINER, str(note)]
    worker = subprocess.Popen([sys.executable, "-c", WORKER, *trainer], stdout=subprocess.PIPE, text=True)
    pid = int(worker.stdout.readline())
    wait_for(Path(f"{note}.ready").exists)
    worker.kill()
    worker.wait()
    wait_for(lambda: not alive(pid))
    assert note.read_text() == "told to end"


@LINUX
def test_the_shim_becomes_the_trainer_with_its_arguments_and_environment():
    code = "import os, sys; print(os.getpid(), sys.argv[1:], os.environ['GIVEN'])"
    command = [sys.executable, "-m", "models.common.processes", "-c", code, "--steps", "3"]
    process = subprocess.Popen(command, env=os.environ | {"GIVEN": "yes"}, stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate()
    assert out.split() == [str(process.pid), "['--steps',", "'3']", "yes"]


@LINUX
def test_a_parent_that_died_before_the_shim_ends_it(monkeypatch):
    parents = iter([100, 1])
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda *args, **options: FakeLibrary(0))
    with pytest.raises(SystemExit) as caught:
        processes.die_with_parent(signal.SIGTERM)
    assert caught.value.code == 143


@LINUX
def test_a_refusal_of_the_kernel_is_an_error(monkeypatch):
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda *args, **options: FakeLibrary(-1))
    with pytest.raises(OSError, match="PR_SET_PDEATHSIG"):
        processes.die_with_parent(signal.SIGTERM)


class FakeLibrary:
    def __init__(self, answer):
        self.answer = answer

    def prctl(self, option, value):
        assert (option, value) == (1, signal.SIGTERM)
        return self.answer


def test_without_prctl_the_exit_code_is_passed_on(monkeypatch):
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    assert wait_while_parent_lives([sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_without_prctl_a_lost_parent_ends_the_trainer(monkeypatch):
    parents = iter([100, 100])
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents, 1))
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert wait_while_parent_lives(sleeping) == -signal.SIGTERM


def test_without_prctl_a_rank_follows_its_parent(monkeypatch):
    ended = []
    parents = iter([100, 100])
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes.sys, "platform", "darwin")
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents, 1))
    monkeypatch.setattr(processes.os, "kill", lambda pid, number: ended.append((pid, number)))
    processes.die_with_parent(signal.SIGKILL)
    wait_for(lambda: ended)
    assert ended == [(os.getpid(), signal.SIGKILL)]
