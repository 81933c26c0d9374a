"""`emberline demo` and `emberline run`: the lineage, all of it or a part."""

from datetime import UTC, datetime

import click
import dagster as dg
from rich.console import Console

from orchestration.automation import JOBS
from orchestration.commands.options import Chosen, guarded, on_home, plain_console
from orchestration.console import own_stderr
from orchestration.plan import print_consequences, print_plan
from orchestration.profile_errors import ProfileError
from orchestration.run import BusyHomeError, RunFailedError, run_assets
from orchestration.selection import SelectionError, job_selection, parse_selection

FAULTS = (ProfileError, SelectionError, BusyHomeError, RunFailedError)


@click.command()
@on_home
def demo(chosen: Chosen) -> None:
    """Make everything: corpus, curated pairs, five training stages, benchmark, champion.

    What is finished is kept: a second run recomputes nothing, a killed run goes on where it stopped.

    \b
    Example:
      emberline demo
      emberline demo --images ~/photographs
    """
    _run(chosen, dg.AssetSelection.all())


@click.command()
@on_home
@click.option("--select", "selection", help="A Dagster selection, such as 'deduped+' or 'group:training'.")
@click.option("--job", type=click.Choice(JOBS), help="A part of the lineage.")
@click.option("--plan", is_flag=True, help="Print what would run, where, and what it needs; touch nothing.")
def run(chosen: Chosen, selection: str | None, job: str | None, plan: bool) -> None:
    """Run some assets of a profile.

    \b
    Example:
      emberline run --select filtered        decide again after a threshold changed
      emberline run --job train              the five training stages
      emberline run --profile cluster --plan what the full size would take
    """
    if selection and job:
        raise click.UsageError("--select and --job each name assets. Give one of them.")
    assets = guarded(lambda: _selection(selection, job), *FAULTS)
    if plan:
        guarded(lambda: print_plan(chosen.profile, chosen.home, assets, plain_console()), *FAULTS)
    else:
        _run(chosen, assets)


def _run(chosen: Chosen, selection: dg.AssetSelection) -> None:
    console = Console(file=own_stderr(), markup=False, emoji=False)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    guarded(lambda: run_assets(chosen.profile, chosen.home, selection, console), *FAULTS)
    print_consequences(chosen.profile, chosen.home, since, console)
    click.echo(f"Done: {chosen.home}")
    options = chosen.options
    click.echo(f"`emberline status{options}` says what came of it, `emberline ui{options}` shows it.")


def _selection(selection: str | None, job: str | None) -> dg.AssetSelection:
    return parse_selection(selection) if selection else job_selection(job or "all")
