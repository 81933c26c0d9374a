"""The finished outputs of a model in a folder: found by their official names, in whatever tree they lie."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks.suites.item import BenchItem, leads_out
from benchmarks.suites.suite import PICTURE_SUFFIXES

OFFICIAL_SUFFIX = ".png"
SOURCE_MARK = "_SRCIMG"
"""GEdit-Bench's script writes the source beside each output, with this at the end of its name."""


@dataclass(frozen=True)
class Outputs:
    """A model's outputs.

    Attributes:
        paths: by sample id; items without an output are missing.
        problems: by sample id, why an item has none, or which of several files was not taken.
        unused: files that belong to no item, as paths below the folder.
    """

    paths: Mapping[str, Path]
    problems: Mapping[str, str]
    unused: Sequence[str]


def find_outputs(folder: Path, items: Sequence[BenchItem]) -> Outputs:
    """Returns which file is the output of which item.

    An output may lie where the official script writes it (`add/add-1.png`), deeper, or flat (`add-1.png`),
    with any extension of an image. A shorter name counts only where it fits one item and one file.

    Args:
        folder: of one model.
        items: of the suite.
    """
    files = _pictures(folder)
    by_tail = defaultdict(list)
    for path in files:
        for tail in _tails(path.with_suffix("")):
            by_tail[tail].append(path)
    owners = Counter(tail for item in items for tail in _tails(_stem(item)))
    paths, problems = {}, {}
    for item in items:
        path, problem = _output_of(item, by_tail, owners)
        if path is not None and leads_out(folder, folder / path):
            path, problem = None, f"{path} is a link that leads out of the folder; copy the file"
        if path is not None:
            paths[item.sample_id] = folder / path
        if problem:
            problems[item.sample_id] = problem
    taken = {path.relative_to(folder).as_posix() for path in paths.values()}
    told = {sample_id: _writable(problem) for sample_id, problem in problems.items()}
    return Outputs(paths, told, [_writable(str(path)) for path in files if path.as_posix() not in taken])


def _output_of(
    item: BenchItem, by_tail: Mapping[str, Sequence[PurePosixPath]], owners: Mapping[str, int]
) -> tuple[PurePosixPath | None, str]:
    for tail in _tails(_stem(item)):
        found = by_tail.get(tail, ())
        if not found or owners[tail] > 1:
            continue
        chosen = (
            [path for path in found if path.suffix.lower() == OFFICIAL_SUFFIX] if len(found) > 1 else found
        )
        names = ", ".join(str(path) for path in found)
        if len(chosen) == 1:
            return chosen[0], f"took {chosen[0]} of {names}" if len(found) > 1 else ""
        return None, f"several files could be the output: {names}"
    return None, f"there is no output {_stem(item)}{OFFICIAL_SUFFIX}, nor with another extension or flat"


def _writable(text: str) -> str:
    """Returns a text with ? for bytes of a file's name that are no UTF-8, as archives may have."""
    return text.encode("utf-8", "replace").decode()


def _stem(item: BenchItem) -> PurePosixPath:
    return PurePosixPath(item.output or item.sample_id)


def _tails(path: PurePosixPath) -> Iterator[str]:
    """Yields a path, then the path without its first folder, and so on to its bare name."""
    for start in range(len(path.parts)):
        yield "/".join(path.parts[start:])


def _pictures(folder: Path) -> list[PurePosixPath]:
    found = []
    for path in sorted(folder.rglob("*")):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        hidden = any(part.startswith(".") for part in relative.parts)
        if (
            relative.suffix.lower() in PICTURE_SUFFIXES
            and not hidden
            and not relative.stem.endswith(SOURCE_MARK)
            and not path.is_dir()
        ):
            found.append(relative)
    return found
