"""What a step that fails, a full disk and a read-only folder say: one line with what to do."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from tiny import write_tiny_profile
from tiny_run import emberline

from assets.corpora.readers.reader import MissingCorpusError
from orchestration.faults import FREE_SPACE, WRITABLE, failure_reason, refusal


def reason(error: BaseException, cause: BaseException | None = None) -> str | None:
    @dg.asset
    def step() -> None:
        raise error from cause

    with dg.DagsterInstance.ephemeral() as instance:
        return failure_reason(dg.materialize([step], instance=instance, raise_on_error=False).all_events)


def test_our_errors_speak_for_themselves():
    said = reason(MissingCorpusError("/nowhere"), cause=TypeError("'NoneType' object is not iterable"))
    assert said == f"step failed: {MissingCorpusError('/nowhere')}"


def test_an_error_of_a_library_is_one_line_and_says_where_more_stands():
    said = reason(ValueError("cannot concat\nempty list"))
    assert said is not None
    assert said.startswith("step failed: ValueError: cannot concat (`emberline ui`")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(28, "No space left on device", "/home/x"), FREE_SPACE),
        (
            RuntimeError("first line\nComputeError: No space left on device (os error 28)\nlast line"),
            FREE_SPACE,
        ),
        (PermissionError(13, "Permission denied", "/home/x"), WRITABLE),
        (OSError(30, "Read-only file system", "/home/x"), WRITABLE),
    ],
)
def test_a_disk_that_refuses_is_named_with_what_to_do(error, advice):
    said = reason(error)
    assert said is not None
    assert said.endswith(advice)
    assert "\n" not in said
    assert refusal("an asset failed for another reason") is None


@pytest.fixture
def mounted(tmp_path):
    """Mounts a file system of some kilobytes; needs the rights to do so."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        if (
            shutil.which("mount") is None
            or subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
        ):
            pytest.skip("needs the right to mount")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize(("options", "advice"), [(["size=200k"], FREE_SPACE), (["size=1m", "ro"], "--home")])
def test_a_full_or_read_only_home_is_one_line(mounted, options, advice, tmp_path):
    profile = write_tiny_profile(tmp_path / "tiny.yaml")
    home = mounted(*options) / "home"
    done = emberline("run", "--select", "demo_corpus", "--profile", str(profile), "--home", str(home))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert advice in last
    assert "Traceback" not in done.stderr


def corpus_profile(path: Path, folder: Path) -> Path:
    corpus = {"name": "mine", "path": str(folder), "reader": "folder", "license": "own"}
    return write_tiny_profile(path, demo=None, corpora={"corpora": [corpus]})


def test_a_corpus_without_a_readable_image_is_named(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(b"not an image")
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"not an image either")
    profile = corpus_profile(tmp_path / "tiny.yaml", folder)
    done = emberline("run", "--profile", str(profile), "--home", str(tmp_path / "home"))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "Error: copy_descriptor failed: None of the 5 files of the corpora is a readable image"
    )
    assert "0.jpg" in last


def test_commands_that_are_printed_can_be_pasted(tmp_path):
    home = tmp_path / "a home with 'quotes'"
    profile = write_tiny_profile(tmp_path / "a profile.yaml")
    done = emberline("run", "--select", "demo_corpus", "--profile", str(profile), "--home", str(home))
    assert done.returncode == 0, done.stderr
    commands = [line.partition(":")[2] for line in done.stdout.splitlines() if "emberline" in line]
    assert [shlex.split(command)[2:] for command in commands] == [
        ["--profile", str(profile), "--home", str(home)],
        ["--profile", str(profile), "--home", str(home)],
    ]


def test_a_plan_in_a_pipe_keeps_its_paths_and_lists_no_demo_that_is_not_there(tmp_path):
    folder = tmp_path / ("a-long-name-" * 12)
    folder.mkdir()
    profile = corpus_profile(tmp_path / "tiny.yaml", folder)
    assert yaml.safe_load(profile.read_text())["demo"] is None
    done = emberline("run", "--plan", "--profile", str(profile), "--home", str(folder / "home"))
    assert done.returncode == 0
    assert any(f"mine: {folder}" in line for line in done.stdout.splitlines())
    assert f"home: {folder / 'home'}" in done.stdout.splitlines()
    assert "demo_corpus" not in done.stdout
