"""`emberline demo` and `emberline run`: run the whole lineage or a part of it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import dagster as dg
from rich.console import Console

from assets.lake.home_format import HomeError
from orchestration.automation import JOBS
from orchestration.commands.options import HomeOptions, on_home, plain_console, report_errors
from orchestration.console import own_stderr
from orchestration.definitions import build_definitions
from orchestration.plan import print_consequences, print_plan
from orchestration.profile_errors import ProfileError
from orchestration.run import RunFailedError, run_assets
from orchestration.selection import SelectionError, check_steps, job_selection, parse_selection

USER_ERRORS = (ProfileError, SelectionError, HomeError, RunFailedError)

FRESH = click.option(
    "--fresh",
    is_flag=True,
    help="Archive the training run of a stage whose settings or data changed, and start a new one. Without "
    "this option, Emberline refuses to run that stage.",
)


FORCE = click.option(
    "--force",
    "forced",
    metavar="STEP",
    multiple=True,
    help="Run this asset, or one ingest batch of it (asset/batch), although it is finished. Old files are "
    "moved to set_aside/ in the home, an old training run to its archive. May be given more than once.",
)


@click.command()
@on_home
@FRESH
def demo(options: HomeOptions, fresh: bool) -> None:
    """Run the whole lineage: corpus, curated pairs, five training stages, benchmark, champion.

    Finished assets are kept: a second run computes nothing, and a killed run continues where it stopped.

    \b
    Example:
      emberline demo
      emberline demo --images ~/photographs
    """
    _run(options, dg.AssetSelection.all(), fresh=fresh)


@click.command()
@on_home
@click.option(
    "--select",
    "selection",
    help="Assets to run, as a Dagster selection such as 'deduped+' or 'group:training'.",
)
@click.option("--job", type=click.Choice(JOBS), help="Part of the lineage to run.")
@click.option(
    "--plan", is_flag=True, help="Print what would run, where, and what it needs, without changing anything."
)
@FRESH
@FORCE
def run(
    options: HomeOptions,
    selection: str | None,
    job: str | None,
    plan: bool,
    fresh: bool,
    forced: tuple[str, ...],
) -> None:
    """Run selected assets of a profile, or all of them.

    \b
    Example:
      emberline run --select filtered        apply a changed threshold; nothing is measured again
      emberline run --job train              run the five training stages
      emberline run --job train --fresh      train again with other settings; old runs are archived
      emberline run --force deduped          run a finished asset once more
      emberline run --profile cluster --plan show what the cluster profile would need
    """
    if selection and job:
        raise click.UsageError("--select and --job both choose assets. Give only one of them.")
    assets = report_errors(lambda: _selection(selection, job), *USER_ERRORS)
    definitions = build_definitions(options.profile, options.home)
    report_errors(lambda: check_steps(forced, definitions), *USER_ERRORS)
    if plan:
        # A server that does not answer is one line of the plan, not minutes of retries.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        report_errors(
            lambda: print_plan(options.profile, options.home, assets, plain_console()), *USER_ERRORS
        )
    else:
        _run(options, assets, fresh=fresh, forced=forced)


def _run(
    options: HomeOptions, selection: dg.AssetSelection, *, fresh: bool, forced: Sequence[str] = ()
) -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # by default, it retries for four minutes
    console = Console(file=own_stderr(), markup=False, emoji=False)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    report_errors(
        lambda: run_assets(options.profile, options.home, selection, console, fresh=fresh, forced=forced),
        *USER_ERRORS,
    )
    print_consequences(options.profile, options.home, since, console)
    click.echo(f"Done: {options.home}")
    arguments = options.arguments
    click.echo(f"Print the results:    emberline status{arguments}")
    click.echo(f"Show the asset graph: emberline ui{arguments}")


def _selection(selection: str | None, job: str | None) -> dg.AssetSelection:
    return parse_selection(selection) if selection is not None else job_selection(job or "all")
