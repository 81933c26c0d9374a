"""A benchmark ready to be run: its items, how they are judged, and what of its files could not be used."""

import codecs
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.protocols.protocol import Protocol
from benchmarks.suites.item import (
    BenchItem,
    MissingPictureError,
    Picture,
    SuiteError,
    checked_suite,
    is_writable,
    leads_out,
    read_limited,
)

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".avif", ".tif", ".tiff")
MAX_JSON_BYTES = 64_000_000


@dataclass(frozen=True)
class Suite:
    """A benchmark in one language.

    Attributes:
        name: as on the command line.
        title: for a page.
        lang: of the instructions, `en` or `zh`; two languages are two suites and are never averaged.
        items: from `checked_suite`.
        protocol: how outputs are judged; None where the suite has only a known truth.
        problems: rows and files of the benchmark that could not be used, one sentence each.
        published: the table of published figures that belong beside the results, None if there is none.
        expected: items of the official benchmark in this language, None where nobody says how many there are.
        rejected: rows of the user's copy that are no items here; they count as samples without scores.
    """

    name: str
    title: str
    lang: str
    items: Sequence[BenchItem]
    protocol: Protocol | None
    problems: tuple[str, ...] = ()
    published: str | None = None
    expected: int | None = None
    rejected: int = 0

    @property
    def lacking(self) -> int:
        """Items of the official benchmark of which the user's copy has no row at all."""
        return max(0, (self.expected or 0) - len(self.items) - self.rejected)

    def whole(self) -> str:
        """Returns what has to be known of a suite that lacks items, empty where it is whole."""
        told = []
        if self.lacking:
            told.append(
                f"This copy of {self.title} lacks {self.lacking:,} of its {self.expected:,} samples, so its "
                "figures are not those of the benchmark."
            )
        if self.rejected:
            told.append(
                f"{self.rejected:,} rows of the suite could not be used; figures over all samples count "
                "them as samples without scores."
            )
        return " ".join(told)


Load = Callable[[Path, Path, str], Suite]
"""Makes a suite of (folder of the benchmark's files, folder of its images, language)."""


def made_suite(suite: Suite) -> Suite:
    """Returns the suite with its items checked and in their order.

    Raises:
        SuiteError: the items cannot be told apart, or there are none, or one cannot be asked about; the
            message says why.
    """
    if not suite.items and suite.problems:
        raise SuiteError(f"No item of {suite.title} can be used. The first reason: {suite.problems[0]}")
    if suite.protocol is not None:
        for item in suite.items:
            try:
                suite.protocol.questions(item)
            except KeyError as error:
                raise SuiteError(
                    f"{item.sample_id}: the prompts of {suite.title} have none that is called {error}."
                ) from error
    return replace(suite, items=checked_suite(suite.items))


def problem_of(where: str, error: SuiteError) -> str:
    """Returns why a row cannot be used, and which row it is."""
    return str(error) if str(error).startswith(where) else f"{where}: {error}"


def read_json(path: Path) -> Any:
    """Returns the value of a JSON file, with or without a byte order mark.

    Raises:
        SuiteError: no such file, too large, or not JSON; the message says where.
    """
    try:
        return json.loads(_bytes_of(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
        raise SuiteError(f"{path} is not JSON: {error}.") from error


def read_json_lines(path: Path, problems: list[str]) -> Iterator[tuple[int, Any]]:
    """Yields (line number, value) of a file with one JSON value a line; empty lines are left out.

    Only the newline ends a line: U+2028 and its like may stand in a text of JSON as they are.

    Args:
        path: of the file.
        problems: gets a sentence for each line that is not JSON; the others are yielded all the same.

    Raises:
        SuiteError: there is no such file, or it is larger than any list.
    """
    lines = _bytes_of(path).removeprefix(codecs.BOM_UTF8).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                value = json.loads(line.decode())
            except UnicodeDecodeError as error:
                problems.append(f"{path.name}:{number} cannot be read as UTF-8: {error}.")
            except (ValueError, RecursionError) as error:
                problems.append(f"{path.name}:{number} is not JSON: {error}.")
            else:
                yield number, value


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise SuiteError(f"{path} has over {MAX_JSON_BYTES:,} bytes, which no benchmark's list has.")
        return path.read_bytes()
    except OSError as error:
        raise SuiteError(
            f"{path} cannot be read: {error.strerror}. Point --data at the benchmark."
        ) from error


def read_prompts(path: Path) -> Mapping[str, str] | None:
    """Returns the judge prompts of a benchmark by name, None where there is no such file.

    Raises:
        SuiteError: the file is no object of texts.
    """
    if not path.exists():
        return None
    prompts = read_json(path)
    if not isinstance(prompts, dict) or not all(
        isinstance(text, str) and is_writable(text) for text in prompts.values()
    ):
        raise SuiteError(f"{path} must be an object of texts by name, as the benchmark's own file is.")
    return prompts


def picture_below(folder: Path, name: str) -> Picture:
    """Returns the image of a relative path in a benchmark's list; another extension of it is found, too.

    A link that leads out of the folder is an image that is missing.

    Raises:
        SuiteError: the path leads out of the folder.
    """
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or "\0" in name or not relative.name:
        raise SuiteError(f"{name!r} leads out of {folder}. A list must name images below its own folder.")
    path = folder / relative
    if not _exists(path):
        path = next((p for suffix in PICTURE_SUFFIXES if _exists(p := path.with_suffix(suffix))), path)

    def read() -> bytes:
        if leads_out(folder, path):
            raise MissingPictureError(f"{path} is a link that leads out of {folder}. Copy the file there.")
        return read_limited(path)

    return Picture(name, read)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name of more than 255 bytes; reading the image will say so
        return False


def text_fields(row: Any, names: Sequence[str], where: str) -> dict[str, str]:
    """Returns some fields of a row, all of them texts and none empty.

    Raises:
        SuiteError: a field is missing, empty, or no text.
    """
    if not isinstance(row, dict):
        raise SuiteError(f"{where}: expected an object, found {type(row).__name__}.")
    for name in names:
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise SuiteError(f"{where}: {name} must be a text, found {row.get(name)!r:.60}.")
        if not is_writable(row[name]):
            raise SuiteError(f"{where}: {name} contains an unpaired surrogate: {row[name]!a:.60}.")
    return {name: row[name] for name in names}
