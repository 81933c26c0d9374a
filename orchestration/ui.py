"""The web pages: Dagster's with its daemon, and MLflow's, for one profile's home."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.environment import QUIET
from orchestration.instance import dagster_home

STOP_SECONDS = 10.0


class ServerStoppedError(RuntimeError):
    """One of the servers ended by itself."""


@dataclass(frozen=True)
class Server:
    """One server: its name, its command, and where it can be seen (None: nowhere)."""

    name: str
    command: tuple[str, ...]
    url: str | None


def servers(home: Path, host: str, dagster_port: int, mlflow_port: int) -> list[Server]:
    """Returns the three servers of a home. Bind `host` to loopback unless something guards the port.

    MLflow keeps everything in the home, unless MLFLOW_BACKEND_STORE_URI and MLFLOW_ARTIFACTS_DESTINATION name
    a database and a bucket; it reads them by itself, so that no password is seen among the arguments.
    """
    store = home / "mlflow"
    store.mkdir(parents=True, exist_ok=True)
    mlflow = ("mlflow", "server", "--host", host, "--port", str(mlflow_port), "--workers", "1")
    if not os.environ.get("MLFLOW_BACKEND_STORE_URI"):
        mlflow += ("--backend-store-uri", f"sqlite:///{store / 'mlflow.db'}")
    if not os.environ.get("MLFLOW_ARTIFACTS_DESTINATION"):
        mlflow += ("--artifacts-destination", str(store / "artifacts"))
    location = ("-m", "orchestration.definitions")
    webserver = ("dagster_webserver", "--host", host, "--port", str(dagster_port), *location)
    return [
        Server("dagster", _tied(*webserver), f"http://{host}:{dagster_port}"),
        Server("dagster-daemon", _tied("dagster._daemon", "run", *location), None),
        Server("mlflow", _tied(*mlflow), f"http://{host}:{mlflow_port}"),
    ]


def _tied(*module: str) -> tuple[str, ...]:
    """Returns the command of a module that ends when this process does, however that ends."""
    return (sys.executable, "-m", "models.common.processes", "-m", *module)


def serve(home: Path, chosen: Mapping[str, str], started: list[Server]) -> None:
    """Runs the servers until Ctrl-C or SIGTERM, then ends them; each writes to `logs/NAME.log`.

    Args:
        home: of the profile.
        chosen: the variables that tell the code location its profile and home.
        started: from `servers`.

    Raises:
        ServerStoppedError: one of them ended by itself; the message names its log.
    """
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **QUIET, **chosen, "DAGSTER_HOME": str(dagster_home(home))}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for server in started:
            with (logs / f"{server.name}.log").open("wb") as log:
                processes[server.name] = subprocess.Popen(
                    server.command, env=environment, stdout=log, stderr=subprocess.STDOUT
                )
        _wait(processes, logs)
    except KeyboardInterrupt:
        return
    finally:
        _stop(list(processes.values()))


def _wait(processes: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise ServerStoppedError(
                    f"{name} ended with code {process.returncode}; {logs / name}.log says why."
                )
        time.sleep(0.5)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
