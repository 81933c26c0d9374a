import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from rating_study import bench_items, write_outputs

from benchmarks.rating.command import rate
from benchmarks.rating.ratings import ANSWERS
from benchmarks.rating.study import read_study
from benchmarks.suites.plain import write_plain

LINK = re.compile(r"(http\S+)/join/(\S+)")


def run(*arguments, code=0):
    result = CliRunner().invoke(rate, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def study(tmp_path):
    write_plain(tmp_path / "suite", bench_items(4))
    folders = write_outputs(tmp_path / "outputs", 4)
    outputs = [part for name, folder in folders.items() for part in ("--outputs", f"{name}={folder}")]
    run(
        "create",
        tmp_path / "study",
        "--suite",
        "plain",
        "--data",
        tmp_path / "suite",
        *outputs,
        "--scale",
        "0,0.5,1",
    )
    return tmp_path / "study"


def test_a_study_is_made_invited_to_shown_and_exported(study, tmp_path):
    assert read_study(study).scale == (0.0, 0.5, 1.0)
    links = LINK.findall(run("invite", study, "anna", "ben", "--url", "https://rate.example.org/"))
    assert [address for address, _ in links] == ["https://rate.example.org"] * 2
    assert len({token for _, token in links}) == 2
    assert "organiser" in run("invite", study, "me", "--organiser")
    assert "0 of 4 items" in run("results", study)
    assert json.loads(run("results", study, "--json"))["complete"] is False
    run("results", study, "--html", tmp_path / "results.html")
    page = (tmp_path / "results.html").read_text()
    assert "Nobody has rated" in page
    assert "/static/" not in page  # it needs no server
    assert "once the study is complete" in run("export", study, code=1)
    assert run("export", study, "--unblind").strip() == ",".join(ANSWERS)


def test_ratings_can_be_kept_elsewhere(study, tmp_path):
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    run("invite", study, "anna", "--store", url)
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert not (study / "ratings.sqlite").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--long-side", "0"),
        ("--sentinels", "5"),
        ("--raters", "0"),
        ("--seed", "-1"),
        ("--scale", "1"),
        ("--scale", "2,1"),
        ("--scale", "1,2,nan"),
        ("--scale", "-1,2"),
    ],
)
def test_numbers_of_a_study_are_checked_before_anything_is_written(tmp_path, arguments):
    write_plain(tmp_path / "suite", bench_items(2))
    folders = write_outputs(tmp_path / "outputs", 2)
    outputs = [part for name, folder in folders.items() for part in ("--outputs", f"{name}={folder}")]
    place = ("--suite", "plain", "--data", tmp_path / "suite")
    assert arguments[0] in run("create", tmp_path / "study", *place, *outputs, *arguments, code=2)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("names", [("",), ("anna", "anna"), ("anna", "--url", "nonsense")])
def test_an_invitation_that_nobody_could_use_is_refused(study, names):
    run("invite", study, *names, code=2)


def test_a_study_may_lie_in_a_folder_of_any_name(study, tmp_path):
    odd = study.rename(tmp_path / "a?mode=ro&b%20c#d")
    run("invite", odd, "anna")
    assert (odd / "ratings.sqlite").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([odd.name, "suite", "outputs"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("invite", "{study}"), "Name whom you invite"),
        (("invite", "nowhere", "anna"), "emberline rate create"),
        (("results", "{study}", "--store", "mysql://x/y"), "not supported"),
    ],
)
def test_mistakes_say_what_would_be_right(study, arguments, message):
    result = CliRunner().invoke(rate, [part.format(study=study) for part in arguments])
    assert result.exit_code != 0
    assert message in result.output


@pytest.mark.parametrize("outputs", ["no-equals-sign", "a=/no/such/folder"])
def test_output_folders_are_checked(tmp_path, outputs):
    arguments = [
        "create",
        str(tmp_path / "s"),
        "--suite",
        "plain",
        "--data",
        str(tmp_path),
        "--outputs",
        outputs,
    ]
    assert "MODEL=FOLDER expected" in CliRunner().invoke(rate, arguments).output


def test_help_shows_the_whole_way():
    text = run("--help")
    for step in ("create", "invite", "serve", "results", "export"):
        assert f"emberline rate {step}" in text


def test_the_server_answers_on_the_loopback_and_ends_on_interrupt(study):
    links = LINK.findall(run("invite", study, "anna"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = "from benchmarks.rating.command import rate; rate()"
    repository = Path(__file__).parents[3]
    server = subprocess.Popen(
        [sys.executable, "-u", "-c", command, "serve", str(study), "--port", str(port)],
        stdout=subprocess.PIPE, cwd=repository, env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    try:
        assert f"http://127.0.0.1:{port}".encode() in server.stdout.readline()
        page = answer(f"http://127.0.0.1:{port}/join/{links[0][1]}", server)
        assert "Begin" in page
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


def answer(address, server):
    while server.poll() is None:
        try:
            return httpx.get(address).text
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError("the server ended")
