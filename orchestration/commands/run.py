"""`emberline demo` and `emberline run`: the lineage, all of it or a part."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
from rich.console import Console

from orchestration.automation import JOBS
from orchestration.commands.options import chosen_home, chosen_profile, guarded, profile_options
from orchestration.plan import print_consequences, print_plan
from orchestration.profile import Profile, default_home, with_photographs
from orchestration.profile_errors import ProfileError
from orchestration.run import BusyHomeError, RunFailedError, run_assets
from orchestration.selection import SelectionError, job_selection, parse_selection

FAULTS = (ProfileError, SelectionError, BusyHomeError, RunFailedError)


@click.command()
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
    loaded = chosen_profile(profile)
    if images is not None:
        loaded = guarded(lambda: with_photographs(loaded, images), *FAULTS)
    _run(profile, loaded, chosen_home(loaded, home), dg.AssetSelection.all())


@click.command()
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
    loaded = chosen_profile(profile)
    place = chosen_home(loaded, home)
    chosen = guarded(lambda: _selection(selection, job), *FAULTS)
    if plan:
        guarded(lambda: print_plan(loaded, place, chosen, Console()), *FAULTS)
    else:
        _run(profile, loaded, place, chosen)


def _run(name: str, profile: Profile, home: Path, selection: dg.AssetSelection) -> None:
    console = Console(file=sys.stderr)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    guarded(lambda: run_assets(profile, home, selection, console), *FAULTS)
    print_consequences(profile, home, since, console)
    options = _options(name, home)
    click.echo(f"Done: {home}")
    click.echo(f"`emberline status{options}` says what came of it, `emberline ui{options}` shows it.")


def _options(name: str, home: Path) -> str:
    """Returns the options that make another command look at the same home."""
    profile = "" if name == "demo" else f" --profile {name}"
    return profile if home == default_home(chosen_profile(name)) else f"{profile} --home {home}"


def _selection(selection: str | None, job: str | None) -> dg.AssetSelection:
    return parse_selection(selection) if selection else job_selection(job or "all")
