"""`emberline ui`: Dagster's and MLflow's pages on a home."""

import click

from orchestration.commands.options import Chosen, guarded, on_home
from orchestration.ui import ServerStoppedError, serve, servers

SERVERS = ("dagster", "dagster-daemon", "mlflow")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@on_home
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback, unless something guards it.")
@click.option("--dagster-port", default=3000, show_default=True)
@click.option("--mlflow-port", default=5000, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(SERVERS), help="This server; once for each.")
def ui(chosen: Chosen, host: str, dagster_port: int, mlflow_port: int, only: tuple[str, ...]) -> None:
    """Open Dagster's and MLflow's pages on a home, until Ctrl-C.

    \b
    Example:
      emberline ui
      emberline ui --only mlflow --mlflow-port 5001
    """
    found = servers(chosen.home, host, dagster_port, mlflow_port)
    started = [server for server in found if server.name in (only or SERVERS)]
    for server in started:
        if server.url is not None:
            click.echo(f"{server.name}: {server.url}")
    if host not in LOOPBACK:
        click.echo(f"{host} is not loopback: whoever reaches these pages can run code here.", err=True)
    guarded(lambda: serve(chosen.home, chosen.environment, started), ServerStoppedError)
