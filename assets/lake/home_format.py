"""The format number of a home, so that no version misreads the files of another one."""

from pathlib import Path

from assets.lake.lake import Lake

FORMAT = 5
"""Raise it when this version could misread homes of the version before. Homes of format 1 have no number."""

FORMAT_FILE = "home.json"


class HomeError(RuntimeError):
    """A home cannot be used; the message is one line that says what to do."""


class HomeFormatError(HomeError):
    """A home was made by another version of Emberline.

    Attributes:
        root: folder of the home.
        stored: its format number.
    """

    def __init__(self, root: str, stored: int) -> None:
        self.root, self.stored = root, stored
        has = (
            f"has format {stored}"
            if stored != 1
            else f"has no {FORMAT_FILE}, so it is of format 1 or lost it"
        )
        super().__init__(
            f"{root} {has}; this version reads format {FORMAT}. "
            "Choose another folder with --home, or use the version of Emberline that made this one."
        )


class UnreadableHomeError(HomeError):
    """The folder of a home is no folder, or its format number cannot be read."""


def check_format(lake: Lake) -> None:
    """Checks that a home has the format of this version. A home without any state passes.

    Raises:
        HomeFormatError: it has another format.
        UnreadableHomeError: it is no folder, or its format cannot be read.
    """
    stored = _stored(lake)
    if stored != FORMAT:
        raise HomeFormatError(lake.root, stored)


def mark_format(lake: Lake) -> None:
    """Writes the format number into a new home.

    Raises:
        HomeError: the home has another format, or cannot be read.
    """
    check_format(lake)
    if not lake.exists(FORMAT_FILE):
        lake.write_json(FORMAT_FILE, {"format": FORMAT})


def _stored(lake: Lake) -> int:
    if lake.is_local:
        around = (Path(lake.root), *Path(lake.root).absolute().parents)
        first = next((path for path in around if path.exists()), None)
        if first is not None and not first.is_dir():
            raise UnreadableHomeError(f"{first} is a file, not a folder. Choose a folder with --home.")
    if not lake.exists(FORMAT_FILE):
        return 1 if lake.list("manifests", ".json") else FORMAT
    try:
        stored = lake.read_json(FORMAT_FILE)["format"]
    except (OSError, ValueError, KeyError, TypeError):
        stored = None
    if not isinstance(stored, int):
        raise UnreadableHomeError(
            f'{lake.uri(FORMAT_FILE)} cannot be read: expected {{"format": {FORMAT}}}. '
            "Restore the file, or choose another folder with --home."
        )
    return stored
