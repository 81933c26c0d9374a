"""Finds the files of a home that nothing refers to any more."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple

from assets.corpora.retired import RETIRED
from assets.lake.lake import SET_ASIDE, Lake
from assets.lake.steps import read_manifests
from trainers.identity import ARCHIVE, SEGMENTS

LAKE_FOLDERS = (
    "images",
    "records",
    "samples",
    "texts",
    "measures",
    "verdicts",
    "dedup",
    "kept",
    "pairs",
    "mixtures",
    "cache",
)
"""Folders in which a manifest names every file that counts. Others hold the state of servers and trainers."""

SIDE_FILES = ("measures/*.json", "images/*.json")
"""Files beside a table that no manifest names, such as the ledger. They go with their table."""

SENTENCES = "cache/sentences/*"
"""Vectors of texts, which steps look up while they run and no manifest names."""

OLD_RUNS = (f"training/*/{ARCHIVE}/*", f"training/*/{SEGMENTS}/*")


class UnusedFile(NamedTuple):
    """A file that nothing refers to: its path in the lake, its size in bytes, and what it is."""

    path: str
    size: int
    kind: str


def unused_files(lake: Lake, assets: Sequence[str]) -> list[UnusedFile]:
    """Returns the files that no manifest names, sorted by path.

    Args:
        lake: of the home.
        assets: names of all assets.
    """
    named = {path for asset in assets for manifest in read_manifests(lake, asset) for path in manifest.files}
    return [UnusedFile(path, lake.size(path), kind) for path, kind in sorted(_unused(lake, named).items())]


def _unused(lake: Lake, named: set[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for folder in LAKE_FOLDERS:
        unnamed = [path for path in lake.list(folder) if not _is_used(path, named)]
        newest = _looked_up(lake, unnamed, named)
        found |= {path: _kind(path) for path in unnamed if PurePosixPath(path).parent not in newest}
    old = (path for path in lake.list("training") if any(fnmatchcase(path, one) for one in OLD_RUNS))
    found |= dict.fromkeys(old, "of an old training run")
    found |= dict.fromkeys(lake.list(SET_ASIDE), "set aside")
    return found | dict.fromkeys(lake.list(RETIRED), "of a corpus that left the profile")


def _looked_up(lake: Lake, unnamed: Sequence[str], named: set[str]) -> set[PurePosixPath]:
    """Returns the folder of the last version of each measure of which no manifest names a table.

    The step that needs such a measure looks its rows up and measures only what it lacks.
    """
    folders = {PurePosixPath(path).parent for path in named}
    handed_on = {_measure(folder) for folder in folders if folder.parts[:1] == ("measures",)}
    written: dict[PurePosixPath, float] = {}
    for path in unnamed:
        folder = PurePosixPath(path).parent
        if folder.parts[0] == "measures" and _measure(folder) not in handed_on:
            written[folder] = max(written.get(folder, 0.0), lake.local_path(path).stat().st_mtime)
    newest: dict[str, PurePosixPath] = {}
    for folder in sorted(written, key=lambda folder: written[folder]):
        newest[_measure(folder)] = folder
    return set(newest.values())


def _measure(folder: PurePosixPath) -> str:
    return folder.name.partition("@")[0]


def _kind(path: str) -> str:
    is_sentences = fnmatchcase(path, SENTENCES)
    return "vectors of texts, made again when they are needed" if is_sentences else "named by no manifest"


def _is_used(path: str, named: set[str]) -> bool:
    if any(fnmatchcase(path, pattern) for pattern in SIDE_FILES):
        return PurePosixPath(path).with_suffix(".parquet").as_posix() in named
    return path in named
