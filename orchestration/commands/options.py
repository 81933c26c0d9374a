"""What the commands on a profile share: their options, the profile and home they name, errors as messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from orchestration.profile import Profile, default_home, load_profile
from orchestration.profile_errors import ProfileError

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


def profile_options(command: Command) -> Command:
    """Adds --profile and --home."""
    home = click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="Folder of all state [default: ./.emberline/<profile>].",
    )
    profile = click.option(
        "--profile", default="demo", show_default=True, help="Name of a profile in profiles/, or a YAML file."
    )
    return profile(home(command))


def chosen_profile(name: str) -> Profile:
    """Returns the profile of --profile, or ends the command with what is wrong with it."""
    return guarded(lambda: load_profile(name), ProfileError)


def chosen_home(profile: Profile, home: Path | None) -> Path:
    """Returns the folder of --home, or else the profile's own."""
    return (home or default_home(profile)).absolute()


def guarded(action: Callable[[], Result], *faults: type[Exception]) -> Result:
    """Returns what the action returns; faults are the user's to mend, so they end it without a traceback."""
    try:
        return action()
    except faults as error:
        raise click.ClickException(str(error)) from error
