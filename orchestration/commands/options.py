"""The options that choose a home, shared by all commands that use one, and errors as messages."""

import shlex
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import click
from rich.console import Console

from assets.lake.home_format import HomeError
from assets.lake.lake import Lake
from models.common.progress import Progress
from orchestration.environment import HOME, IMAGES, PROFILE
from orchestration.home import open_home
from orchestration.profile import Profile, default_home, load_profile, profile_path, with_images
from orchestration.profile_errors import ProfileError

WIDE = 10_000
"""Characters in a line of a table that no terminal shows."""

SECONDS_BETWEEN = 5

Result = TypeVar("Result")


class HomeOptions(NamedTuple):
    """The values of --profile, --images and --home.

    Attributes:
        profile: the loaded profile, with the folder of --images in it.
        home: absolute path of the home.
        arguments: the same options as text for another command line, with a leading space.
        environment: variables that pass the same values to another process.
    """

    profile: Profile
    home: Path
    arguments: str
    environment: Mapping[str, str]


def on_home(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --profile, --images and --home to a command, which receives them as a `HomeOptions` first."""

    @click.option(
        "--profile",
        envvar=PROFILE,
        default="demo",
        show_default=True,
        help="Name of a profile in profiles/, or path of a YAML file.",
    )
    @click.option(
        "--images",
        envvar=IMAGES,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of images to use instead of the demo's photographs. Its home is "
        "./.emberline/<profile>-<folder> unless --home is given.",
    )
    @click.option(
        "--home",
        envvar=HOME,
        type=click.Path(path_type=Path),
        help="Folder that holds all state of the profile.  [default: ./.emberline/<profile>]",
    )
    @wraps(command)
    def with_options(profile: str, images: Path | None, home: Path | None, **rest: Any) -> None:
        variables = click.get_current_context().obj
        if variables is not None:
            click.echo(variables, err=True)
        options = report_errors(lambda: resolve_options(profile, images, home), ProfileError, HomeError)
        command(options, **rest)

    return with_options


def resolve_options(name: str, images: Path | None, home: Path | None) -> HomeOptions:
    """Returns the profile and the home that the three options choose.

    Raises:
        ProfileError: the profile is missing or invalid, or has no demo corpus to replace.
        HomeError: another version of Emberline made the home, or it cannot be read.
    """
    profile = load_profile(name)
    values = {"--profile": None if name == "demo" else name, "--images": images, "--home": home}
    environment = {PROFILE: str(profile_path(name).absolute())}
    if images is not None:
        profile = with_images(profile, images)
        environment[IMAGES] = str(images.absolute())
    folder = (home or default_home(profile)).absolute()
    open_home(folder)
    arguments = "".join(
        f" {option} {shlex.quote(str(value))}" for option, value in values.items() if value is not None
    )
    return HomeOptions(profile, folder, arguments, {**environment, HOME: str(folder)})


def existing_home(options: HomeOptions) -> Path:
    """Returns the home of a command that reads one.

    Raises:
        click.ClickException: there is no home in this folder.
    """
    if not Lake(str(options.home)).list("manifests", ".json"):
        raise click.ClickException(
            f"There are no results in {options.home}. Make them with `emberline run{options.arguments}`, or "
            "name another folder with --home."
        )
    return options.home


def line_progress() -> Progress:
    """Returns a callback that prints how far a work on files has come, every few seconds and at the end."""
    last = monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if done == total or monotonic() - last >= SECONDS_BETWEEN:
            last = monotonic()
            click.echo(f"{what}: {done:,} of {total:,} files", err=True)

    return show


def report_errors(action: Callable[[], Result], *errors: type[Exception]) -> Result:
    """Returns the result of the action.

    Raises:
        click.ClickException: the action raised one of the errors, which the user can fix, so the command
            ends with the message and without a traceback.
    """
    try:
        return action()
    except errors as error:
        raise click.ClickException(str(error)) from error


def plain_console() -> Console:
    """Returns a console on standard output that interprets neither markup nor emoji codes.

    In a pipe or a file it does not fold lines, so that programs find whole paths.
    """
    return Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)
