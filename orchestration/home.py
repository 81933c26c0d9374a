"""The lock of a home, the folder that holds all state of one profile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.lake.home_format import HomeError, UnreadableHomeError, check_format, mark_format
from assets.lake.lake import Lake
from models.common.files import try_lock
from models.registry.relocate import DamagedStoreError, relocate

LOCK = ".lock"


class BusyHomeError(HomeError):
    """Another run is using the same home."""


def open_home(home: Path) -> None:
    """Checks that a home can be used, and lets it be used where it is now, if it was moved or copied.

    Raises:
        HomeError: it has another format, or cannot be read.
    """
    check_format(Lake(str(home)))
    try:
        relocate(home / "mlflow" / "mlflow.db", home / "mlflow" / "artifacts")
    except DamagedStoreError as error:
        raise UnreadableHomeError(str(error)) from error


def sqlite_uri(database: Path) -> str:
    """Returns the address of a SQLite database, also for paths with `?` or `%`, which are special in it."""
    path = str(database).replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}"


@contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Locks a home for one run, after creating it if it is missing. The lock ends with the process.

    Raises:
        BusyHomeError: another run is using it.
        HomeError: it has another format, or cannot be read or written.
    """
    try:
        mark_format(Lake(str(home)))
        (home / "mlflow").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadableHomeError(
            f"{home} cannot be written: {error.strerror or error}. Choose another folder with --home."
        ) from error
    with (home / LOCK).open("w") as stream:
        if not try_lock(stream):
            raise BusyHomeError(
                f"Another run is using {home}. Wait until it ends, or choose another folder with --home."
            )
        yield
