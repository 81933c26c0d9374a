"""Ctrl-C and SIGTERM: one line, exit code 130, within seconds, whatever the command is doing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tiny import write_tiny_profile
from tiny_run import REPOSITORY, one_thread

from orchestration import interrupts
from orchestration.cli import main
from orchestration.interrupts import EXIT_CODE, MESSAGE

SECONDS = 3.0

# A command that is interrupted while its body does what the first argument says.
COMMAND = """
import sys, threading, time
from orchestration.interrupts import end_on_interrupt, saving

def sleeping():
    print("ready", flush=True)
    time.sleep(600)

def swallowing():
    print("ready", flush=True)
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass

def converting():
    try:
        sleeping()
    except KeyboardInterrupt:
        raise ValueError("a library's own error")

def returning():
    try:
        sleeping()
    except KeyboardInterrupt:
        time.sleep(0.1)

def joining():
    thread = threading.Thread(target=time.sleep, args=(600,))
    thread.start()
    sleeping()

def saving_first():
    try:
        sleeping()
    except KeyboardInterrupt:
        with saving():
            time.sleep(4)
        print("saved", flush=True)
        raise

with end_on_interrupt():
    globals()[sys.argv[1]]()
"""


def start(*command: str, **options) -> subprocess.Popen[str]:
    # Without coverage: an interrupt that arrives while its tracer holds its own lock ends in a deadlock.
    environment = {name: value for name, value in one_thread().items() if not name.startswith("COV")}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def begin(what: str) -> subprocess.Popen[str]:
    process = start("-c", COMMAND, what)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["sleeping", "swallowing", "converting", "returning", "joining"])
def test_an_interrupt_ends_a_command_in_one_line(what, number):
    process = begin(what)
    begun = time.monotonic()
    process.send_signal(number)
    said, complained = process.communicate(timeout=30)
    assert time.monotonic() - begun < SECONDS
    assert (process.returncode, said, complained) == (EXIT_CODE, "", f"{MESSAGE}\n")


def test_what_has_to_be_saved_is_saved_first_unless_one_interrupts_again():
    process = begin("saving_first")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("saved\n", f"{MESSAGE}\n")
    process = begin("saving_first")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", f"{MESSAGE}\n")
    assert process.returncode == EXIT_CODE


def test_a_command_that_was_not_interrupted_leaves_everything_as_it_was(monkeypatch):
    before = signal.getsignal(signal.SIGTERM), signal.set_wakeup_fd(-1), sys.unraisablehook
    assert CliRunner().invoke(main, ["status", "--help"]).exit_code == 0
    assert (signal.getsignal(signal.SIGTERM), signal.set_wakeup_fd(-1), sys.unraisablehook) == before

    @click.command()
    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "get_command", lambda *_: stopped)
    done = CliRunner().invoke(main, ["stopped"])
    assert (done.exit_code, done.stderr) == (EXIT_CODE, f"{MESSAGE}\n")
    assert signal.set_wakeup_fd(-1) == -1


def test_an_interrupt_in_a_destructor_is_not_shown(capsys):
    class Stopped:
        def __del__(self):
            raise KeyboardInterrupt

    class Broken:
        def __del__(self):
            raise ValueError("shown")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", interrupts._show_unraisable)
        Stopped()
        Broken()
    assert "KeyboardInterrupt" not in capsys.readouterr().err


@pytest.fixture
def commands(tmp_path):
    """Commands that go on until they are interrupted, and the file that shows that they are at work."""
    profile = write_tiny_profile(tmp_path / "tiny.yaml", engine={"workers": 2})
    home = ("--profile", str(profile), "--home", str(tmp_path / "a home"))
    return {
        "run": (("run", *home), tmp_path / "a home/dagster/history/runs.db"),
        "ui": (("ui", "--only", "dagster-daemon", *home), tmp_path / "a home/logs/dagster-daemon.log"),
    }


@pytest.mark.parametrize("name", ["run", "ui"])
def test_commands_end_at_ctrl_c(name, commands):
    arguments, working = commands[name]
    process = start("-m", "orchestration.cli", *arguments)
    end = time.monotonic() + 120
    while not Path(working).exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(1)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, complained = process.communicate(timeout=60)
    assert time.monotonic() - begun < SECONDS
    assert process.returncode == EXIT_CODE
    assert complained.splitlines()[-1] == MESSAGE
    assert not [line for line in complained.splitlines() if "Traceback" in line or "FAILED" in line]
