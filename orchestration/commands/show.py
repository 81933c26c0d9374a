"""`emberline status`, `explain` and `export`: print and write the results in a home."""

import json
import os
from functools import partial
from pathlib import Path

import click

from assets.lake.lake import Lake
from assets.lake.steps import MissingInputError
from assets.reports.datasets import Format, OtherExportError, Which, export_samples
from assets.reports.export import export_results
from assets.reports.lineage import UnknownIdError, explain
from assets.reports.status import status
from orchestration.automation import JOBS
from orchestration.commands.options import (
    HomeOptions,
    existing_home,
    line_progress,
    on_home,
    plain_console,
    report_errors,
)
from orchestration.definitions import build_definitions
from orchestration.profile_errors import ProfileError
from orchestration.resources import tracking
from orchestration.selection import job_assets
from orchestration.tables import print_history, print_status


@click.command("status")
@on_home
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, for programs.")
def status_command(options: HomeOptions, as_json: bool) -> None:
    """Print the results in a home: funnel, filters, stages, benchmark, registry.

    \b
    Example:
      emberline status
      emberline status --json | jq .bench
    """
    existing_home(options)
    # A server that does not answer is one line of the status, not minutes of retries.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    results = status(Lake(str(options.home)), tracking(options.profile, options.home))
    if as_json:
        click.echo(json.dumps(results, indent=1, ensure_ascii=False))
    else:
        print_status(results, plain_console())


@click.command("explain")
@on_home
@click.argument("identifier", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, for programs.")
def explain_command(options: HomeOptions, identifier: str, as_json: bool) -> None:
    """Print the history of an image or a sample, from its file to the checkpoints that saw it.

    ID is the id of an image, a sample or a record, or the path of a file inside its corpus. The first digits
    of an id are enough if no other id starts with them.

    \b
    Example:
      emberline explain 3f9a
    """
    existing_home(options)
    history = report_errors(lambda: explain(Lake(str(options.home)), identifier), UnknownIdError)
    if as_json:
        click.echo(json.dumps(history, indent=1, ensure_ascii=False, default=str))
    else:
        print_history(history, plain_console())


@click.command("export")
@on_home
@click.option("--job", type=click.Choice(JOBS), default="all", show_default=True, help="Part of the lineage.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["hf", "webdataset", "firered"]),
    help="Write samples with their images instead of figures: Hugging Face Parquet, tar files, or JSON lines "
    "of the FireRed trainer.",
)
@click.option(
    "--samples",
    "which",
    type=click.Choice(["kept", "dropped", "all"]),
    default="kept",
    show_default=True,
    help="With --format: what mixtures may draw, what a verdict dropped, or both.",
)
@click.option("--rule", help="With --format: only what this rule dropped, such as `blur`.")
def export_command(
    options: HomeOptions, job: str, folder: Path, form: Format | None, which: Which, rule: str | None
) -> None:
    """Write the figures of a home to small files, or its samples as a dataset.

    \b
    Example:
      emberline export --job bench --to results/benchmark
      dvc metrics diff
      emberline export --format hf --to dataset
      emberline export --format webdataset --rule blur --to blurred
    """
    existing_home(options)
    if form is not None:
        lake = Lake(str(options.home))
        work = partial(export_samples, lake, folder, form, which=which, rule=rule, progress=line_progress())
        for path in report_errors(work, MissingInputError, OtherExportError):
            click.echo(path)
        return
    if rule is not None or which != "kept":
        raise click.UsageError("--samples and --rule choose samples. Add --format.")
    definitions = report_errors(lambda: build_definitions(options.profile, options.home), ProfileError)
    lake, assets = Lake(str(options.home)), job_assets(definitions, job)
    for path in report_errors(lambda: export_results(lake, assets, folder), MissingInputError):
        click.echo(path)
