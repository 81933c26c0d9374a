"""`emberline status` and `emberline explain`: what a home holds, and the life of one thing in it."""

import json
from pathlib import Path

import click
from rich.console import Console

from assets.lake.lake import Lake
from assets.reports.lineage import UnknownIdError, explain
from assets.reports.status import status
from orchestration.commands.options import chosen_home, chosen_profile, guarded, profile_options
from orchestration.tables import print_life, print_status


@click.command("status")
@profile_options
@click.option("--json", "as_json", is_flag=True, help="The whole of it, for programs.")
def status_command(profile: str, home: Path | None, as_json: bool) -> None:
    """Say what a home holds: funnel, filters, stages, benchmark, registry.

    \b
    Example:
      emberline status
      emberline status --json | jq .bench
    """
    found = status(Lake(str(chosen_home(chosen_profile(profile), home))))
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_status(found, Console())


@click.command("explain")
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
    lake = Lake(str(chosen_home(chosen_profile(profile), home)))
    life = guarded(lambda: explain(lake, identifier), UnknownIdError)
    if as_json:
        click.echo(json.dumps(life, indent=1, ensure_ascii=False, default=str))
    else:
        print_life(life, Console())
