"""`emberline status`, `explain` and `export`: what a home holds, for people and for other programs."""

import json
from pathlib import Path

import click

from assets.lake.lake import Lake
from assets.lake.steps import MissingInputError
from assets.reports.export import export_results
from assets.reports.lineage import UnknownIdError, explain
from assets.reports.status import status
from orchestration.automation import JOBS
from orchestration.commands.options import Chosen, guarded, on_home, plain_console
from orchestration.definitions import build_definitions
from orchestration.profile_errors import ProfileError
from orchestration.selection import job_assets
from orchestration.tables import print_life, print_status


@click.command("status")
@on_home
@click.option("--json", "as_json", is_flag=True, help="The whole of it, for programs.")
def status_command(chosen: Chosen, as_json: bool) -> None:
    """Say what a home holds: funnel, filters, stages, benchmark, registry.

    \b
    Example:
      emberline status
      emberline status --json | jq .bench
    """
    found = status(Lake(str(chosen.home)))
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_status(found, plain_console())


@click.command("explain")
@on_home
@click.argument("identifier", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The whole of it, for programs.")
def explain_command(chosen: Chosen, identifier: str, as_json: bool) -> None:
    """Tell the whole life of an image or a sample, from its file to the checkpoints that saw it.

    ID is the id of an image, a sample or a record (the first digits are enough), or a file's path in its
    corpus.

    \b
    Example:
      emberline explain 3f9a
    """
    life = guarded(lambda: explain(Lake(str(chosen.home)), identifier), UnknownIdError)
    if as_json:
        click.echo(json.dumps(life, indent=1, ensure_ascii=False, default=str))
    else:
        print_life(life, plain_console())


@click.command("export")
@on_home
@click.option(
    "--job", type=click.Choice(JOBS), default="all", show_default=True, help="A part of the lineage."
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Where the files go.",
)
def export_command(chosen: Chosen, job: str, folder: Path) -> None:
    """Write the figures of a home as small files that Git keeps and DVC compares.

    \b
    Example:
      emberline export --job bench --to results/benchmark
      dvc metrics diff
    """
    definitions = guarded(lambda: build_definitions(chosen.profile, chosen.home), ProfileError)
    lake, assets = Lake(str(chosen.home)), job_assets(definitions, job)
    for path in guarded(lambda: export_results(lake, assets, folder), MissingInputError):
        click.echo(path)
