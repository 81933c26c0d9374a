"""The format number of a home, so that no version misreads the files of another one."""

from assets.lake.lake import Lake

FORMAT = 2
"""Raise it when this version could misread homes of the version before. Homes of format 1 have no number."""

FORMAT_FILE = "home.json"


class HomeFormatError(RuntimeError):
    """A home was made by another version of Emberline.

    Attributes:
        root: folder of the home.
        stored: its format number.
    """

    def __init__(self, root: str, stored: object) -> None:
        self.root, self.stored = root, stored
        super().__init__(
            f"{root} has format {stored}, but this version reads format {FORMAT}. "
            "Choose another folder with --home, or use the version of Emberline that made this one."
        )


def check_format(lake: Lake) -> None:
    """Checks that a home has the format of this version. A home without any state passes.

    Raises:
        HomeFormatError: it has another format.
    """
    stored = _stored(lake)
    if stored != FORMAT:
        raise HomeFormatError(lake.root, stored)


def mark_format(lake: Lake) -> None:
    """Writes the format number into a new home.

    Raises:
        HomeFormatError: the home has another format.
    """
    check_format(lake)
    if not lake.exists(FORMAT_FILE):
        lake.write_json(FORMAT_FILE, {"format": FORMAT})


def _stored(lake: Lake) -> object:
    if not lake.exists(FORMAT_FILE):
        return 1 if lake.list("manifests", ".json") else FORMAT
    try:
        return lake.read_json(FORMAT_FILE)["format"]
    except (ValueError, KeyError, TypeError):
        return "unreadable"
