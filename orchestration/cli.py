"""The command line: `emberline demo | run | status | explain | ui`."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import dagster as dg
from rich.console import Console

from assets.lake.lake import Lake
from assets.reports.lineage import UnknownIdError, explain
from assets.reports.status import status
from orchestration.automation import JOBS, jobs
from orchestration.instance import quiet
from orchestration.plan import print_consequences, print_plan
from orchestration.profile import Profile, default_home, load_profile, profile_path, with_photographs
from orchestration.profile_errors import ProfileError
from orchestration.run import BusyHomeError, RunFailedError, run_assets
from orchestration.tables import print_life, print_status
from orchestration.ui import ServerStoppedError, serve, servers

F = TypeVar("F", bound=Callable[..., Any])

FAULTS = (ProfileError, BusyHomeError, RunFailedError, UnknownIdError, ServerStoppedError)
"""Errors that are the user's to mend: shown as a message, without a traceback."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """From raw image corpora to an instruction-based image editor, every step traceable.

    \b
    Example:
      emberline demo            raw photographs to a registered editor, on this machine
      emberline status          what came of it
      emberline ui              the asset graph and the training curves in a browser
    """
    quiet()


def profile_options(command: F) -> F:
    """Adds --profile and --home."""
    home = click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="Folder of all state [default: ./.emberline/<profile>].",
    )
    profile = click.option(
        "--profile", default="demo", show_default=True, help="Name of a profile in profiles/, or a YAML file."
    )
    return profile(home(command))


@main.command()
@profile_options
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of your photographs instead of the built-in ones.",
)
def demo(profile: str, home: Path | None, images: Path | None) -> None:
    """Make everything: corpus, curated pairs, five training stages, benchmark, champion.

    What is finished is kept: a second run recomputes nothing, a killed run goes on where it stopped.

    \b
    Example:
      emberline demo
      emberline demo --images ~/photographs
    """
    loaded = _load(profile)
    if images is not None:
        loaded = _guarded(lambda: with_photographs(loaded, images))
    _run(loaded, home, dg.AssetSelection.all())


@main.command()
@profile_options
@click.option("--select", "selection", help="A Dagster selection, such as 'deduped+' or 'group:training'.")
@click.option("--job", type=click.Choice(JOBS), help="A part of the lineage.")
@click.option("--plan", is_flag=True, help="Print what would run, where, and what it needs; touch nothing.")
def run(profile: str, home: Path | None, selection: str | None, job: str | None, plan: bool) -> None:
    """Run some assets of a profile.

    \b
    Example:
      emberline run --select filtered        decide again after a threshold changed
      emberline run --job train              the five training stages
      emberline run --profile cluster --plan what the full size would take
    """
    if selection and job:
        raise click.UsageError("--select and --job each name assets. Give one of them.")
    loaded = _load(profile)
    chosen = _guarded(lambda: _selection(selection, job))
    if plan:
        print_plan(loaded, _home(loaded, home), chosen, Console())
    else:
        _run(loaded, home, chosen)


@main.command("status")
@profile_options
@click.option("--json", "as_json", is_flag=True, help="The whole of it, for programs.")
def status_command(profile: str, home: Path | None, as_json: bool) -> None:
    """Say what a home holds: funnel, filters, stages, benchmark, registry.

    \b
    Example:
      emberline status
      emberline status --json | jq .bench
    """
    found = status(Lake(str(_home(_load(profile), home))))
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_status(found, Console())


@main.command("explain")
@profile_options
@click.argument("identifier", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The whole of it, for programs.")
def explain_command(profile: str, home: Path | None, identifier: str, as_json: bool) -> None:
    """Tell the whole life of an image or a sample, from its file to the checkpoints that saw it.

    ID is the id of an image, a sample or a record (the first digits are enough), or a file's path in its
    corpus.

    \b
    Example:
      emberline explain 3f9a
    """
    lake = Lake(str(_home(_load(profile), home)))
    life = _guarded(lambda: explain(lake, identifier))
    if as_json:
        click.echo(json.dumps(life, indent=1, ensure_ascii=False, default=str))
    else:
        print_life(life, Console())


@main.command()
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
    place = _home(_load(profile), home)
    started = servers(place, host, dagster_port, mlflow_port)
    for server in started:
        if server.url is not None:
            click.echo(f"{server.name}: {server.url}")
    _guarded(lambda: serve(place, profile_path(profile), started))


def _run(profile: Profile, home: Path | None, selection: dg.AssetSelection) -> None:
    place = _home(profile, home)
    console = Console(file=sys.stderr)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    _guarded(lambda: run_assets(profile, place, selection, console))
    print_consequences(profile, place, since, console)
    click.echo(f"Done: {place}. `emberline status` says what came of it, `emberline ui` shows it.")


def _selection(selection: str | None, job: str | None) -> dg.AssetSelection:
    if selection:
        return dg.AssetSelection.from_string(selection)
    return next(one.selection for one in jobs if one.name == (job or "all"))


def _load(profile: str) -> Profile:
    return _guarded(lambda: load_profile(profile))


def _home(profile: Profile, home: Path | None) -> Path:
    return (home or default_home(profile)).absolute()


Result = TypeVar("Result")


def _guarded(action: Callable[[], Result]) -> Result:
    try:
        return action()
    except FAULTS as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
