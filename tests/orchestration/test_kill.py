"""kill -9 at many moments: each rerun goes on and ends with the same bytes, and no process lives on."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from marked_processes import marked
from tiny import write_tiny_profile
from tiny_run import REPOSITORY, one_thread

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, read_manifests
from orchestration.definitions import build_definitions
from orchestration.profile import load_profile

PATIENCE_SECONDS = 300

Moment = Callable[[Path], bool]


def ingesting(home: Path) -> bool:
    return any((home / "batches").glob("*.json")) and not any((home / "manifests/raw_samples").glob("*.json"))


def measuring(home: Path) -> bool:
    return any((home / "measures").rglob("*.json")) and not (home / "manifests/copy_descriptor.json").exists()


def caching(home: Path) -> bool:
    begun = any((home / "cache/text").glob("*.safetensors"))
    return begun and not (home / "manifests/training_cache.json").exists()


def training(home: Path) -> bool:
    begun = any((home / "training/ct/checkpoints").glob("*"))
    return begun and not (home / "training/ct/result.json").exists()


def registering(home: Path) -> bool:
    return (home / "training/sft/pipeline").exists() and not (home / "manifests/sft.json").exists()


MOMENTS: tuple[Moment, ...] = (ingesting, measuring, caching, training, registering)


def start(profile: Path, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "orchestration.cli", "demo"]
    command += ["--profile", str(profile), "--home", str(home)]
    with (home.parent / f"{home.name}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=REPOSITORY, env=one_thread(), stdout=log, stderr=log, start_new_session=True
        )


def kill_at(moment: Moment, profile: Path, home: Path) -> None:
    run = start(profile, home)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not moment(home):
        assert run.poll() is None, f"the run ended before {moment.__name__}; see {home}.log"
        assert time.monotonic() < deadline, f"the run never came to {moment.__name__}"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def contents(profile: Path, home: Path) -> dict[str, dict[str, str]]:
    """Every step's files and their SHA-256: tables, verdicts, caches, weights, outputs."""
    lake = Lake(str(home))
    graph = build_definitions(load_profile(str(profile)), home).resolve_asset_graph()
    manifests: list[Manifest] = []
    for key in graph.get_all_asset_keys():
        found = read_manifests(lake, key.path[-1])
        assert found, f"{key.path[-1]} was not made"
        manifests += found
    return {manifest.name: dict(manifest.files) for manifest in manifests}


def test_a_run_killed_at_five_moments_ends_with_the_bytes_of_an_undisturbed_one(tiny_run, tmp_path):
    profile, killed = tiny_run.profile, tmp_path / "killed"
    for moment in MOMENTS:
        kill_at(moment, profile, killed)
    assert start(profile, killed).wait(PATIENCE_SECONDS * 2) == 0
    expected, found = contents(profile, tiny_run.home), contents(profile, killed)
    assert expected.keys() == found.keys()
    different = {
        name: sorted(path for path in files | found[name] if files.get(path) != found[name].get(path))
        for name, files in expected.items()
        if files != found[name]
    }
    assert not different


SECONDS = 5
"""How long after a kill a process may be alive."""

KILLS = 25


def start_marked(arguments: list[str], mark: str) -> subprocess.Popen[bytes]:
    """Starts a command all of whose processes inherit a mark in their environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=REPOSITORY,
        env=one_thread() | {"MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def kill_and_count(process: subprocess.Popen[bytes], mark: str) -> tuple[int, list[str]]:
    """Kills a command alone; returns how many processes it had, and those alive after SECONDS."""
    before = len(marked(mark))
    process.kill()
    # Returns when no process holds standard output open any more.
    process.communicate(timeout=SECONDS)
    end = time.monotonic() + SECONDS
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    return before, [" ".join(one.cmdline()) for one in left]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_process_outlives_a_killed_run(tmp_path):
    """Every other kill waits until the pool or a training is at work. Runs go on from kill to kill."""
    # The seed is fixed, and yet the moments differ between machines, as their speed does.
    chance = random.Random(8)
    profile = write_tiny_profile(tmp_path / "tiny.yaml", engine={"workers": 2})
    home, sizes = tmp_path / "home", []
    arguments = ["run", "--profile", str(profile), "--home", str(home)]
    for number in range(KILLS):
        mark = uuid.uuid4().hex
        run = start_marked(arguments, mark)
        moment = time.monotonic() + 4 + chance.random() * 26
        while time.monotonic() < moment or (number % 2 and len(marked(mark)) < 4):
            if run.poll() is not None:
                assert run.returncode == 0, run.communicate()[0][-3000:]
                shutil.rmtree(home)
                run = start_marked(arguments, mark)
            time.sleep(0.05)
        before, left = kill_and_count(run, mark)
        sizes.append(before)
        assert not left, f"after kill {number + 1} of {before} processes: {left}"
    assert max(sizes) >= 5, "no training was killed"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_process_outlives_a_killed_ui(tmp_path):
    """The servers start servers of their own: code servers, workers of MLflow."""
    chance = random.Random(8)
    home, sizes = tmp_path / "home", []
    for number in range(KILLS):
        mark, ports = uuid.uuid4().hex, free_ports(2)
        arguments = ["ui", "--home", str(home), "--dagster-port", ports[0], "--mlflow-port", ports[1]]
        ui = start_marked(arguments, mark)
        time.sleep(chance.random() * 25)
        assert ui.poll() is None
        before, left = kill_and_count(ui, mark)
        sizes.append(before)
        assert not left, f"after kill {number + 1} of {before} processes: {left}"
    assert max(sizes) >= 10, "servers, their supervisors and their own children"


def free_ports(count: int) -> list[str]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
