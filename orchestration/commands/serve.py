"""`emberline ui`: the web pages of Dagster and MLflow for a home."""

import click

from assets.lake.home_format import HomeError
from orchestration.commands.options import HomeOptions, on_home, report_errors
from orchestration.ui import ServerStoppedError, serve, servers

SERVERS = ("dagster", "dagster-daemon", "mlflow")
PORT = click.IntRange(1, 65535)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@on_home
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Whoever reaches the pages can run code, so keep the default unless a proxy "
    "or a firewall protects them.",
)
@click.option(
    "--dagster-port",
    type=click.IntRange(1, 65535),
    default=3000,
    show_default=True,
    help="Port of Dagster's pages.",
)
@click.option(
    "--mlflow-port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    help="Port of MLflow's pages.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(SERVERS),
    help="Start only this server. May be given more than once.",
)
def ui(options: HomeOptions, host: str, dagster_port: int, mlflow_port: int, only: tuple[str, ...]) -> None:
    """Serve the web pages of Dagster and MLflow for a home, until Ctrl-C.

    \b
    Example:
      emberline ui
      emberline ui --only mlflow --mlflow-port 5001
    """
    every = servers(options.home, host, dagster_port, mlflow_port)
    selected = [server for server in every if server.name in (only or SERVERS)]
    for server in selected:
        if server.url is not None:
            click.echo(f"{server.name}: {server.url}")
    if host not in LOOPBACK:
        click.echo(
            f"Warning: {host} is not loopback. Whoever reaches these pages can run code here.", err=True
        )
    report_errors(lambda: serve(options.home, options.environment, selected), HomeError, ServerStoppedError)
