"""`emberline rate`: a blind study from its images to its figures."""

import json
import shlex
from collections.abc import Callable
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import URL, Engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from benchmarks.rating.prepare import Plan, create_study, read_dimensions
from benchmarks.rating.ratings import answers_of, to_csv
from benchmarks.rating.results import is_complete, results
from benchmarks.rating.store import invite, open_store, raters_of
from benchmarks.rating.study import DIMENSIONS, Study, StudyError, read_study
from benchmarks.suites.catalogue import SUITES, load_suite
from models.common.checks import http_address

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
PORT = 8765
MOST_POINTS = 9
"""Points of a scale: one key each."""

HERE = f"http://127.0.0.1:{PORT}"


@click.group()
def rate() -> None:
    """Let people rate outputs of several models blind, side by side (report 5.1).

    \b
    Example:
      emberline rate create study --suite plain --data mine --outputs a=out/a --outputs b=out/b
      emberline rate invite study anna ben      a link for each, shown once
      emberline rate serve study                the pages, on this machine's loopback
      emberline rate results study              means, agreement, wins, places
      emberline rate export study > ratings.csv

    Images of your own are the suite `plain`: a folder with the sources and items.jsonl, one item a line.

    \b
      {"id": "1470", "task": "text", "sources": ["book.png"],
       "instruction": "Add “2nd Edition” below the title."}

    The output of that item is 1470.png in a model's folder, or another image extension, or in a subfolder.
    Images are decoded and encoded again, so that neither names, sizes nor metadata tell whose they are.
    """


def study_options(command: F) -> F:
    """Adds the study's folder and --store."""
    store = click.option(
        "--store", "url", help="Where ratings are kept, an SQLAlchemy URL [default: SQLite in the folder]."
    )
    return click.argument("study", type=FOLDER)(store(command))


@rate.command()
@click.argument("study", type=FOLDER)
@click.option("--suite", required=True, type=click.Choice(list(SUITES)), help="Whose items were edited.")
@click.option("--data", required=True, type=FOLDER, help="Folder of the suite's files.")
@click.option("--images", type=FOLDER, help="Folder of the suite's pictures [default: as --data].")
@click.option(
    "--lang",
    default="en",
    show_default=True,
    type=click.Choice(["en", "zh"]),
    help="Language of the instructions, where the suite has several.",
)
@click.option("--outputs", required=True, multiple=True, metavar="MODEL=FOLDER", help="Once for each model.")
@click.option("--title", default="Blind rating", show_default=True, help="Heading of the pages.")
@click.option("--dimensions", type=FILE, help="JSON list of questions [default: those of the report].")
@click.option("--scale", default="1,2,3,4,5", show_default=True, help="Values of the keys, worst first.")
@click.option(
    "--raters",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="People who rate each item. Results name the models once all items have so many.",
)
@click.option(
    "--sentinels",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of items, 0 to 1, that get a control image.",
)
@click.option(
    "--long-side",
    default=1024,
    show_default=True,
    type=click.IntRange(64, 8192),
    help="Pixels of the longer side of an image; larger images are shrunk.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed of the order of the images and of the draw of control images.",
)
def create(
    study: Path,
    suite: str,
    data: Path,
    images: Path | None,
    lang: str,
    outputs: tuple[str, ...],
    **plan: Any,
) -> None:
    """Make a study of several output folders.

    A control image is the unedited source, or an output that is shown twice: who rates those wrongly was
    not looking.

    \b
    Example:
      emberline rate create study --suite plain --data mine \\
          --outputs ours=out/ours --outputs theirs=out/theirs --sentinels 0.2
    """
    folders = _folders(outputs)
    settings = _plan(**plan)
    items = _guarded(lambda: load_suite(suite, data=data, images=images, lang=lang).items)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        made = _guarded(
            lambda: create_study(study, items=items, outputs=folders, plan=settings, progress=show)
        )
    _report_gaps(made)
    click.echo(f"{study}: {len(made.items)} items, {len(made.models)} models.")
    click.echo(f"Next: emberline rate invite {shlex.quote(str(study))} NAME")


@rate.command("invite")
@study_options
@click.argument("names", nargs=-1)
@click.option("--organiser", is_flag=True, help="A link that opens the results instead of rating.")
@click.option(
    "--url", "public_url", default=HERE, show_default=True, help="Address of the pages, for the links."
)
def invite_command(
    study: Path, url: str | None, names: tuple[str, ...], organiser: bool, public_url: str
) -> None:
    """Make a link for each name. The store keeps only a digest, so a link is shown once.

    \b
    Example:
      emberline rate invite study anna ben
      emberline rate invite study me --organiser
    """
    if not names:
        raise click.UsageError("Name whom you invite: emberline rate invite STUDY NAME [NAME ...]")
    if any(not name.strip() for name in names):
        raise click.UsageError("A name is empty. Name each person whom you invite.")
    if len(set(names)) < len(names):
        raise click.UsageError("A name is given twice. Each person needs one link.")
    try:
        http_address(public_url)
    except ValueError as error:
        raise click.UsageError(f"--url {public_url}: {error}") from error
    engine, found = _open(study, url)
    for name in names:
        visitor, token = invite(engine, found.study_id, label=name, organiser=organiser)
        who = "organiser" if organiser else f"rater {visitor.number}"
        click.echo(f"{name} ({who}): {public_url.rstrip('/')}/join/{token}")


@rate.command()
@study_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback, unless something guards it.")
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Port of the pages."
)
@click.option("--url", "public_url", help="Address that raters use, such as that of a proxy with HTTPS.")
def serve(study: Path, url: str | None, host: str, port: int, public_url: str | None) -> None:
    """Serve the rating pages until Ctrl-C.

    Raters elsewhere need a proxy with HTTPS in front, or a tunnel; tell its address with --url.

    \b
    Example:
      emberline rate serve study
      emberline rate serve study --url https://rate.example.org
    """
    import uvicorn

    from benchmarks.rating.app import create_app

    engine, found = _open(study, url)
    if not raters_of(engine, found.study_id):
        click.echo(f"Nobody is invited yet: emberline rate invite {shlex.quote(str(study))} NAME", err=True)
    address = public_url or f"http://{host}:{port}"
    click.echo(f"{found.title}: {address} (Ctrl-C ends it)")
    app = create_app(study, engine, address)
    # The access log would hold the tokens of invitations.
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


@rate.command("results")
@study_options
@click.option("--html", type=FILE, help="Write the page of results, which needs no server.")
@click.option("--json", "as_json", is_flag=True, help="All figures, for programs.")
def results_command(study: Path, url: str | None, html: Path | None, as_json: bool) -> None:
    """Show means, agreement, wins and places. Models are named once every item has its raters.

    \b
    Example:
      emberline rate results study
      emberline rate results study --html results.html
    """
    from benchmarks.rating.print_results import print_results
    from benchmarks.rating.render import results_file

    engine, found = _open(study, url)
    figures = results(found, answers_of(engine, found))
    if html is not None:
        html.write_text(results_file(figures), encoding="utf-8")
        click.echo(f"{html} written.", err=as_json)
    if as_json:
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False))
    elif html is None:
        print_results(figures, Console())


@rate.command()
@study_options
@click.option("--unblind", is_flag=True, help="Name the models though the study is not complete.")
def export(study: Path, url: str | None, unblind: bool) -> None:
    """Print every answer ever given as CSV, models named, replaced and withdrawn answers marked.

    The rows name the models, so they are printed once every item has its raters.

    \b
    Example:
      emberline rate export study > ratings.csv
      emberline rate export study --unblind > ratings-so-far.csv
    """
    engine, found = _open(study, url)
    answers = answers_of(engine, found)
    if not unblind and not is_complete(found, answers.filter("current")):
        raise click.ClickException(
            "Answers name the models, so they are printed once the study is complete. To see them now, and "
            "to rate no more yourself, say --unblind."
        )
    click.echo(to_csv(answers), nl=False)


def _open(study: Path, url: str | None) -> tuple[Engine, Study]:
    found = _guarded(lambda: read_study(study))
    own = URL.create("sqlite", database=str(study.absolute() / "ratings.sqlite"))  # a path may hold ? or %
    return _guarded(lambda: open_store(url or own)), found


def _folders(outputs: tuple[str, ...]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for text in outputs:
        model, equals, folder = text.partition("=")
        if not (model and equals and Path(folder).is_dir()):
            raise click.UsageError(f"--outputs {text}: MODEL=FOLDER expected, and the folder must exist.")
        if model in folders:
            raise click.UsageError(f"--outputs names {model} twice.")
        folders[model] = Path(folder)
    return folders


def _plan(*, dimensions: Path | None, scale: str, **rest: Any) -> Plan:
    try:
        values = tuple(float(value) for value in scale.split(","))
    except ValueError as error:
        raise click.UsageError(f"--scale {scale}: numbers with commas between them expected.") from error
    ascending = all(low < high for low, high in pairwise((-1e-9, *values)))
    if not 2 <= len(values) <= MOST_POINTS or not ascending or not all(map(isfinite, values)):
        raise click.UsageError(
            f"--scale {scale}: write 2 to {MOST_POINTS} numbers of 0 or more, the worst first: 1,2,3."
        )
    questions = DIMENSIONS if dimensions is None else _guarded(lambda: read_dimensions(dimensions))
    return Plan(dimensions=questions, scale=values, **rest)


def _report_gaps(study: Study) -> None:
    for item_id, gaps in study.left_out.items():
        click.echo(f"left out: {item_id}, too few outputs: {gaps}", err=True)
    for item in study.items:
        for model, reason in item.missing.items():
            click.echo(f"missing: {model} on {item.item_id}: {reason}", err=True)


Result = TypeVar("Result")


def _guarded(action: Callable[[], Result]) -> Result:
    try:
        return action()
    except ArgumentError as error:  # of SQLAlchemy
        raise click.ClickException(
            "--store is not an address. Write one such as postgresql+psycopg://host/database."
        ) from error
    except (StudyError, ValueError, OSError, SQLAlchemyError) as error:
        raise click.ClickException(str(error)) from error
