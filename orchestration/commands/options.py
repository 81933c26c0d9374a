"""What the commands on a home share: the options that name it, and errors as messages."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from rich.console import Console

from orchestration.environment import HOME, IMAGES, PROFILE
from orchestration.profile import Profile, default_home, load_profile, profile_path, with_photographs
from orchestration.profile_errors import ProfileError

Result = TypeVar("Result")


class Chosen(NamedTuple):
    """What the options of a command choose.

    Attributes:
        profile: with photographs of one's own, if there are any.
        home: the folder that the command works on.
        options: those that choose the same for another command.
        environment: the variables that choose the same for another process.
    """

    profile: Profile
    home: Path
    options: str
    environment: Mapping[str, str]


def on_home(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --profile, --images and --home; the command is given what they choose, first."""

    @click.option(
        "--profile",
        envvar=PROFILE,
        default="demo",
        show_default=True,
        help="Name of a profile in profiles/, or a YAML file.",
    )
    @click.option(
        "--images",
        envvar=IMAGES,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder of your photographs in the place of the demo's; it has a home of its own.",
    )
    @click.option(
        "--home",
        envvar=HOME,
        type=click.Path(path_type=Path),
        help="Folder of all state [default: ./.emberline/<profile>].",
    )
    @wraps(command)
    def with_options(profile: str, images: Path | None, home: Path | None, **rest: Any) -> None:
        command(guarded(lambda: choose(profile, images, home), ProfileError), **rest)

    return with_options


def choose(name: str, images: Path | None, home: Path | None) -> Chosen:
    """Returns what the three options choose.

    Raises:
        ProfileError: the profile is not there or not valid, or has no photographs to replace.
    """
    profile = load_profile(name)
    options = {"--profile": None if name == "demo" else name, "--images": images, "--home": home}
    environment = {PROFILE: str(profile_path(name).absolute())}
    if images is not None:
        profile = with_photographs(profile, images)
        environment[IMAGES] = str(images.absolute())
    place = (home or default_home(profile)).absolute()
    given = "".join(f" {option} {value}" for option, value in options.items() if value is not None)
    return Chosen(profile, place, given, {**environment, HOME: str(place)})


def guarded(action: Callable[[], Result], *faults: type[Exception]) -> Result:
    """Returns what the action returns; faults are the user's to mend, so they end it without a traceback."""
    try:
        return action()
    except faults as error:
        raise click.ClickException(str(error)) from error


def plain_console() -> Console:
    """Returns standard output as a console that takes no path and no caption for markup."""
    return Console(markup=False, emoji=False)
