"""`emberline verify`, `gc` and `rollback`: check a home, tidy it, and go back to the previous champion."""

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter

import click
import dagster as dg
from rich.console import Console

from assets.lake.home_format import HomeError
from assets.lake.lake import Lake
from assets.lake.steps import damaged_manifests, read_manifests
from assets.reports.unused import UnusedFile, unused_files
from assets.reports.verify import set_damaged_aside, verify
from assets.training.register import RegistryError
from orchestration.commands.options import HomeOptions, existing_home, line_progress, on_home, report_errors
from orchestration.console import own_stderr
from orchestration.definitions import build_definitions
from orchestration.home import lock_home
from orchestration.resources import tracking
from orchestration.run import RunFailedError, run_assets

SHOWN_PATHS = 20
KIND = attrgetter("kind")


@click.command("verify")
@on_home
@click.option("--repair", is_flag=True, help="Make again what is missing or damaged.")
def verify_command(options: HomeOptions, repair: bool) -> None:
    """Compare every file and registered version with what the manifests of a home claim.

    Reads all files once. Ends with status 1 if something differs, unless --repair made it again. A damaged
    file is moved to set_aside/ in the home, never deleted.

    \b
    Example:
      emberline verify
      emberline verify --repair
    """
    existing_home(options)
    lake = Lake(str(options.home))
    assets = _assets(options)

    begun = [asset for asset in assets if read_manifests(lake, asset) or damaged_manifests(lake, asset)]

    def checked() -> int:
        findings = verify(lake, assets, tracking(options.profile, options.home), line_progress())
        for finding in findings:
            click.echo(f"{finding.asset}: {finding.text}")
        if repair:
            with lock_home(options.home):
                set_damaged_aside(lake, findings, tracking(options.profile, options.home))
        return len(findings)

    differences = report_errors(checked, HomeError)
    if differences and not repair:
        raise click.ClickException(
            f"{differences} {'difference' if differences == 1 else 'differences'}. "
            f"Run `emberline verify --repair{options.arguments}` to make these results again."
        )
    if differences:
        made = dg.AssetSelection.assets(*begun).upstream()
        console = Console(file=own_stderr(), markup=False, emoji=False)
        report_errors(
            lambda: run_assets(options.profile, options.home, made, console), HomeError, RunFailedError
        )
        left = verify(lake, assets, tracking(options.profile, options.home), line_progress())
        if left:
            raise click.ClickException("\n".join(f"{one.asset}: {one.text}" for one in left))
    click.echo("Everything is as the manifests claim." if not differences else "Repaired.")


@click.command("gc")
@on_home
@click.option("--delete", is_flag=True, help="Delete the listed files. Without it, nothing is changed.")
def gc_command(options: HomeOptions, delete: bool) -> None:
    """List the files of a home that nothing refers to any more, and delete them only when told.

    These are results of earlier settings, archived training runs, files that were set aside because they
    were damaged or replaced, and tables of corpora that left the profile.

    \b
    Example:
      emberline gc
      emberline gc --delete
    """
    existing_home(options)
    lake = Lake(str(options.home))

    def collect() -> None:
        with lock_home(options.home):
            files = unused_files(lake, _assets(options))
            _print_unused(files)
            if delete:
                for file in files:
                    lake.delete(file.path)
            total = f"{len(files)} files, {sum(file.size for file in files) / 2**20:.1f} MiB"
            hint = f". Delete them with `emberline gc --delete{options.arguments}`." if files else "."
            click.echo(f"Deleted {total}." if delete else f"{total}{hint}")

    report_errors(collect, HomeError)


@click.command("rollback")
@on_home
def rollback_command(options: HomeOptions) -> None:
    """Give the alias `champion` back to the version that had it before.

    The next runs do not promote the present champion again; a newer and better version still takes the alias.

    \b
    Example:
      emberline rollback
    """
    from mlflow.exceptions import MlflowException

    from models.registry.registry import NoPreviousVersionError, roll_back

    existing_home(options)
    server = tracking(options.profile, options.home)

    def go_back() -> tuple[str, str]:
        try:
            return roll_back(name=server.model, tracking_uri=server.uri)
        except MlflowException as error:
            raise RegistryError(server.uri, error) from error

    new, old = report_errors(go_back, NoPreviousVersionError, RegistryError)
    click.echo(f"{server.model}: champion is version {new} again; version {old} is previous.")


def _assets(options: HomeOptions) -> list[str]:
    graph = build_definitions(options.profile, options.home).resolve_asset_graph()
    return [key.path[-1] for key in graph.toposorted_asset_keys]


def _print_unused(files: list[UnusedFile]) -> None:
    by_kind: Mapping[str, list[UnusedFile]] = {
        kind: list(group) for kind, group in groupby(sorted(files, key=KIND), key=KIND)
    }
    for kind, group in by_kind.items():
        click.echo(f"{kind}: {len(group)} files, {sum(file.size for file in group) / 2**20:.1f} MiB")
        for file in group[:SHOWN_PATHS]:
            click.echo(f"  {file.path}")
        if len(group) > SHOWN_PATHS:
            click.echo(f"  and {len(group) - SHOWN_PATHS} more")
