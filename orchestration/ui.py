"""Starts the web servers of a home: Dagster with its daemon, and MLflow."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.common.processes import supervised
from orchestration.environment import QUIET
from orchestration.home import sqlite_uri
from orchestration.instance import dagster_home

STOP_SECONDS = 1.5
"""How long the servers may take to end; an open browser tab would keep them for minutes."""


class ServerStoppedError(RuntimeError):
    """One of the servers ended unexpectedly."""


@dataclass(frozen=True)
class Server:
    """One server: its name, its command, and the address of its pages (None if it has no pages)."""

    name: str
    command: tuple[str, ...]
    url: str | None


def servers(home: Path, host: str, dagster_port: int, mlflow_port: int) -> list[Server]:
    """Returns the three servers of a home.

    MLflow stores everything in the home, unless MLFLOW_BACKEND_STORE_URI and MLFLOW_ARTIFACTS_DESTINATION
    name a database and a bucket. MLflow reads these variables itself, so its arguments contain no password.

    Args:
        home: folder that holds all state of the profile.
        host: address to listen on. Whoever reaches the pages can run code.
        dagster_port: port of Dagster's pages.
        mlflow_port: port of MLflow's pages.
    """
    store = home / "mlflow"
    store.mkdir(parents=True, exist_ok=True)
    mlflow = ("mlflow", "server", "--host", host, "--port", str(mlflow_port), "--workers", "1")
    if not os.environ.get("MLFLOW_BACKEND_STORE_URI"):
        mlflow += ("--backend-store-uri", sqlite_uri(store / "mlflow.db"))
    if not os.environ.get("MLFLOW_ARTIFACTS_DESTINATION"):
        mlflow += ("--artifacts-destination", str(store / "artifacts"))
    location = ("-m", "orchestration.definitions")
    webserver = ("dagster_webserver", "--host", host, "--port", str(dagster_port), *location)
    return [
        Server("dagster", _command(*webserver), f"http://{host}:{dagster_port}"),
        Server("dagster-daemon", _command("dagster._daemon", "run", *location), None),
        Server("mlflow", _command(*mlflow), f"http://{host}:{mlflow_port}"),
    ]


def _command(*module: str) -> tuple[str, ...]:
    """Returns the command that runs a module and ends, with all that it started, when this process ends."""
    return tuple(supervised([sys.executable, "-m", *module], stop_seconds=STOP_SECONDS))


def serve(home: Path, variables: Mapping[str, str], selected: list[Server]) -> None:
    """Runs the servers until an interrupt, then ends them. Each writes to `logs/NAME.log` in the home.

    Args:
        home: folder that holds all state of the profile.
        variables: environment variables that choose profile and home for the code location.
        selected: servers to run, from `servers`.

    Raises:
        ServerStoppedError: a server ended unexpectedly; the message names its log.
    """
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **QUIET, **variables, "DAGSTER_HOME": str(dagster_home(home))}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for server in selected:
            with (logs / f"{server.name}.log").open("wb") as log:
                processes[server.name] = subprocess.Popen(
                    server.command, env=environment, stdout=log, stderr=subprocess.STDOUT
                )
        _wait(processes, logs)
    finally:
        _stop(list(processes.values()))


def _wait(processes: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise ServerStoppedError(
                    f"{name} ended with code {process.returncode}. See {logs / name}.log for the reason."
                )
        time.sleep(0.5)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
