"""`emberline ui`: Dagster's and MLflow's pages on a home."""

from pathlib import Path

import click

from orchestration.commands.options import chosen_home, chosen_profile, guarded, profile_options
from orchestration.profile import profile_path
from orchestration.ui import ServerStoppedError, serve, servers


@click.command()
@profile_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback, unless something guards it.")
@click.option("--dagster-port", default=3000, show_default=True)
@click.option("--mlflow-port", default=5000, show_default=True)
def ui(profile: str, home: Path | None, host: str, dagster_port: int, mlflow_port: int) -> None:
    """Open Dagster's and MLflow's pages on a home, until Ctrl-C.

    \b
    Example:
      emberline ui
    """
    place = chosen_home(chosen_profile(profile), home)
    started = servers(place, host, dagster_port, mlflow_port)
    for server in started:
        if server.url is not None:
            click.echo(f"{server.name}: {server.url}")
    guarded(lambda: serve(place, profile_path(profile), started), ServerStoppedError)
