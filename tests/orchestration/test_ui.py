"""The pages: started on a home's free ports, on loopback alone, and ended together."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest
from click.testing import CliRunner
from tiny_run import REPOSITORY

from orchestration.cli import main
from orchestration.commands import serve as serve_command
from orchestration.interrupts import EXIT_CODE
from orchestration.ui import Server, ServerStoppedError, serve, servers

PATIENCE_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(url: str, process: subprocess.Popen[str]) -> bytes:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None, "the pages ended by themselves"
            assert time.monotonic() < end, f"{url} never answered"
            time.sleep(0.2)


@pytest.fixture
def pages(tmp_path):
    """`emberline ui` on an empty home, and its two ports."""
    ports = free_port(), free_port()
    command = [sys.executable, "-m", "orchestration.cli", "ui", "--home", str(tmp_path / "home")]
    command += ["--dagster-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process, ports
    process.kill()
    process.wait()


def ask(port: int, query: str, process: subprocess.Popen[str]) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    return json.loads(answer(request, process))["data"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_pages_answer_on_loopback_alone_and_end_together(pages):
    process, (dagster_port, mlflow_port) = pages
    info = json.loads(answer(f"http://127.0.0.1:{dagster_port}/server_info", process))
    assert "dagster_webserver_version" in info
    assert answer(f"http://127.0.0.1:{mlflow_port}/health", process) == b"OK"
    groups = ask(dagster_port, "{ assetNodes { assetKey { path } groupName } }", process)["assetNodes"]
    assert {"training", "corpora", "registry"} <= {node["groupName"] for node in groups}

    started = psutil.Process(process.pid).children(recursive=True)
    listening = [one.laddr for child in started for one in child.net_connections() if one.status == "LISTEN"]
    assert {dagster_port, mlflow_port} <= {address.port for address in listening}
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == EXIT_CODE
    _, left = psutil.wait_procs(started, timeout=30)
    assert not left, [" ".join(child.cmdline()) for child in left]


def test_the_servers_of_a_home_keep_their_state_in_it(tmp_path):
    found = {server.name: server for server in servers(tmp_path, "127.0.0.1", 3001, 5001)}
    assert found["dagster"].url == "http://127.0.0.1:3001"
    assert found["mlflow"].url == "http://127.0.0.1:5001"
    assert found["dagster-daemon"].url is None
    mlflow = " ".join(found["mlflow"].command)
    assert f"--backend-store-uri sqlite:///{tmp_path}/mlflow/mlflow.db" in mlflow
    assert f"--artifacts-destination {tmp_path}/mlflow/artifacts" in mlflow
    assert "--host 127.0.0.1" in mlflow


def test_a_server_that_ends_ends_the_others_and_its_log_is_named(tmp_path):
    sleeper = Server("sleeper", (sys.executable, "-c", "import time; time.sleep(600)"), None)
    crash = "import os; print(os.environ['EMBERLINE_HOME'], os.environ['DAGSTER_HOME']); raise SystemExit(3)"
    crasher = Server("crasher", (sys.executable, "-c", crash), None)
    with pytest.raises(ServerStoppedError, match=rf"code 3\. See {tmp_path}/logs/crasher.log"):
        serve(tmp_path, {"EMBERLINE_HOME": "here"}, [sleeper, crasher])
    assert (tmp_path / "logs/crasher.log").read_text().split() == ["here", str(tmp_path / "dagster")]
    assert not [child for child in psutil.Process().children() if "time.sleep(600)" in child.cmdline()[-1]]


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_whoever_opens_the_pages_to_others_is_told_what_that_means(host, warned, tmp_path, monkeypatch):
    monkeypatch.setattr(serve_command, "serve", lambda *_: None)
    options = ["ui", "--home", str(tmp_path), "--host", host]
    done = CliRunner().invoke(main, options, catch_exceptions=False)
    assert done.exit_code == 0
    assert ("can run code here" in done.stderr) == warned
    assert f"http://{host}:3000" in done.stdout
