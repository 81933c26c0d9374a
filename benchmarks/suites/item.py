"""One test of a suite: what an editor gets, and what its output is held against."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from models.common.pixels import decode, encode_png

MAX_BYTES = 128_000_000
"""A larger file is no image that a benchmark holds."""


ROW = "row"
"""Fact: the place of an item in the benchmark's own list, from 0, by which official result files name it."""

MAX_NAME = 230
"""Bytes of a part of an output's name: file systems allow 255, and there are suffixes to come."""


class MissingPictureError(LookupError):
    """An image that a suite names is missing; the message says where it was looked for."""


class SuiteError(ValueError):
    """A suite cannot be scored as it is; the message names the item."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image that is read when somebody looks at it, so that a suite of any size takes no memory.

    Attributes:
        name: for messages.
        read: gives the bytes of the file as it came, or raises MissingPictureError.
    """

    name: str
    read: Callable[[], bytes]

    def pixels(self, long_side: int | None = None) -> np.ndarray:
        """Returns canonical pixels (H, W, 3) uint8, shrunk where `long_side` is given.

        Raises:
            MissingPictureError: there is no such file.
            UnreadableImageError: it is no image that decodes.
        """
        return decode(self.read(), long_side)


def picture_of_pixels(name: str, pixels: np.ndarray) -> Picture:
    """Returns an image that is held in memory, (H, W, 3) uint8."""
    data = encode_png(pixels)
    return Picture(name, lambda: data)


def picture_of_file(path: Path) -> Picture:
    """Returns an image that lies in a file."""
    return Picture(path.name, lambda: read_limited(path))


def leads_out(folder: Path, path: Path) -> bool:
    """Returns whether a path below a folder is, or lies behind, a link to somewhere else.

    The hub's cache is a folder of links into `blobs`, beside `snapshots`; those stay inside.
    """
    root = folder.resolve()
    roots = [root, *(place.parent / "blobs" for place in root.parents if place.name == "snapshots")]
    return not any(path.resolve().is_relative_to(place) for place in roots)


def read_limited(path: Path) -> bytes:
    """Returns the bytes of an image file.

    Raises:
        MissingPictureError: there is no such file, or it is larger than any image.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise MissingPictureError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise MissingPictureError(f"{path} has more than {MAX_BYTES:,} bytes, which is no picture.")
    return data


def is_writable(text: str) -> bool:
    """Returns whether UTF-8 can hold a text: JSON may escape half a sign, which no file takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class BenchItem:
    """One edit.

    Attributes:
        sample_id: names the item in outputs, scores and reports.
        kind: what figures are averaged over first: a template's name, a benchmark's task.
        category: the family of the kind, for reading the tables.
        instruction: what the editor is asked for.
        sources: reference images in the order in which the instruction counts them. The first is what
            "copying" means: handing the input back.
        truth: a right result, where one is known.
        lang: of the instruction, `en` or `zh`.
        cluster: items of equal cluster succeed and fail together, because they share an image or an
            instruction; the bootstrap draws clusters. None: the item is alone.
        output: where the official scripts write its output, a path without extension inside the folder of a
            model. None: the sample id.
        mask: white where the edit belongs, if known.
        expected_text: what has to be readable afterwards, if known.
        facts: further values for a judge's prompt, such as the reference answer.
        after: id of the item from whose output an editor goes on, in place of the sources, which are what the
            result is held against all the same. None: it starts from the sources.
        turn: what the editor is told then, where the instruction tells a judge all that was asked so far.
    """

    sample_id: str
    kind: str
    category: str
    instruction: str
    sources: tuple[Picture, ...]
    truth: Picture | None = None
    lang: str = "en"
    cluster: str | None = None
    output: str | None = None
    mask: Picture | None = None
    expected_text: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None
    turn: str | None = None

    def __post_init__(self) -> None:
        said = (self.sample_id, self.kind, self.category, self.instruction, self.cluster, self.expected_text)
        for text in (*said, *self.facts.values()):
            if text is not None and not is_writable(text):
                raise SuiteError(f"{self.sample_id!a:.80}: {text!a:.80} contains an unpaired surrogate.")
        # Lists of items come from others, and outputs are written under these names.
        place = PurePosixPath(self.output or self.sample_id)
        if place.is_absolute() or ".." in place.parts or "\0" in str(place) or not is_writable(str(place)):
            raise SuiteError(
                f"{self.sample_id}: {str(place)!r:.80} is not a path below the folder of a model."
            )
        if any(len(part.encode()) > MAX_NAME for part in place.parts):
            raise SuiteError(
                f"{self.sample_id!a:.80}: its name is over {MAX_NAME} bytes; no file can have it."
            )


def checked_suite(items: Iterable[BenchItem]) -> list[BenchItem]:
    """Returns the items by kind and sample id, so that no result depends on the order in which they came.

    Raises:
        SuiteError: no items, an id twice, or an item without a source.
    """
    ordered = sorted(items, key=lambda item: (item.kind, item.sample_id))
    if not ordered:
        raise SuiteError("The suite is empty. Were any held-out samples kept by the filters?")
    twice = sorted(name for name, count in Counter(item.sample_id for item in ordered).items() if count > 1)
    if twice:
        raise SuiteError(f"These sample ids occur more than once: {', '.join(twice[:5])}.")
    bare = [item for item in ordered if not item.sources]
    if bare:
        raise SuiteError(f"{bare[0].sample_id} ({bare[0].kind}) has no source image.")
    return ordered


def known_truth(item: BenchItem) -> np.ndarray:
    """Returns the pixels (H, W, 3) of the right result of an item that is scored against it.

    Raises:
        SuiteError: none is known, or its size is not that of the first source.
    """
    if item.truth is None:
        raise SuiteError(f"{item.sample_id} ({item.kind}) has no known truth to be scored against.")
    truth, source = item.truth.pixels(), item.sources[0].pixels()
    if truth.shape != source.shape:
        raise SuiteError(
            f"{item.sample_id}: the first source is {source.shape}, the truth {truth.shape}. "
            "They must be equal, or copying the source could not be scored."
        )
    return truth


def first_of_each_kind(kinds: Mapping[str, str], samples_per_kind: int) -> list[str]:
    """Returns the ids of at most so many samples of each kind, sorted.

    Ids are content hashes, so the smallest ones are a random choice that never changes.

    Args:
        kinds: sample id to kind, of all that could be in the suite.
        samples_per_kind: how many to take of each.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for sample_id in sorted(kinds):
        if taken[kinds[sample_id]] < samples_per_kind:
            taken[kinds[sample_id]] += 1
            chosen.append(sample_id)
    return chosen
