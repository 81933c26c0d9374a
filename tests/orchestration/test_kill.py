"""kill -9 of the whole process group at five moments; each rerun goes on and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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
