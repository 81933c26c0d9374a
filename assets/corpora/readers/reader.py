"""The door through which corpora enter: what a reader lists, what it yields, and the errors of both."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import polars as pl

from assets.corpora.config import ColumnsConfig

UNITS: Mapping[str, pl.DataType] = {
    "unit": pl.String(),  # its name, unique in the corpus: in most cases the path of a file
    "size": pl.Int64(),  # bytes of its files
    "version": pl.String(),  # another one wherever the content of its files may have changed
    "row": pl.String(),  # what metadata says about it, as JSON; null without metadata
}
"""What comes, changes and leaves as a whole: an image, a pair, or a file with many samples."""


class CorpusError(ValueError):
    """A corpus cannot be read as the profile describes it."""


class MissingCorpusError(CorpusError):
    """The folder or bucket prefix of a corpus does not exist.

    Attributes:
        root: its path or address.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        super().__init__(f"{root} is not a folder. Give the path of a folder that holds image files.")


class CorpusSource(NamedTuple):
    """Where a corpus is, and what its columns hold; without columns they have the usual names of the reader.

    Attributes:
        root: folder, or `s3://bucket/prefix`.
        columns: of Parquet, metadata or JSON files.
    """

    root: str
    columns: ColumnsConfig | None = None


class LeftOut(NamedTuple):
    """Something in a corpus that cannot be used: a line of metadata or a file, and the reason."""

    where: str
    reason: str


class Listing(NamedTuple):
    """The state of a corpus: its UNITS, sorted by name, and what is in none of them."""

    units: pl.DataFrame
    left_out: Sequence[LeftOut]


class Unit(NamedTuple):
    """One row of UNITS."""

    unit: str
    size: int
    version: str
    row: str | None


class RawImage(NamedTuple):
    """An image of a sample as it lies in the corpus.

    Attributes:
        path: inside the corpus; `file.parquet#12/source` for a value in a file with many samples.
        size: bytes.
        load: returns the bytes. Raises OSError if they cannot be read.
    """

    path: str
    size: int
    load: Callable[[], bytes]


class RawText(NamedTuple):
    """A text of a sample; `lang` is null where a library has to detect it."""

    text: str
    lang: str | None = None


class RawSample(NamedTuple):
    """One training example of a corpus: a text-to-image sample without sources, or an edit.

    Attributes:
        target: the image that a model learns to make.
        sources: reference images in the order of the prompt.
        texts: captions of the target, or instructions.
        category: of report 2.1 or REDEdit where the data names one.
        subcategory: likewise.
        license: None for that of the corpus.
        url: where the target comes from.
        group_id: samples that share pixels share a group; None makes one of the images.
        split: `train`, `heldout`, or None to draw one by the group.
    """

    target: RawImage
    sources: tuple[RawImage, ...] = ()
    texts: tuple[RawText, ...] = ()
    category: str | None = None
    subcategory: str | None = None
    license: str | None = None
    url: str | None = None
    group_id: str | None = None
    split: str | None = None


class UnreadableUnitError(CorpusError):
    """A unit, such as a Parquet file, cannot be read at all. It costs itself alone."""


class Reader(Protocol):
    """A format of corpora. Every implementation passes tests/assets/corpora/readers/test_contract.py."""

    def list_units(self, source: CorpusSource) -> Listing:
        """Returns what the corpus holds now, without reading images.

        Raises:
            MissingCorpusError: there is no such folder.
            CorpusError: the corpus is not as the profile describes it.
        """
        ...

    def read_unit(self, source: CorpusSource, unit: Unit) -> Iterator[RawSample | LeftOut]:
        """Yields the samples of a unit, always in the same order, or why there is none in a row.

        Raises:
            UnreadableUnitError: the unit cannot be read at all.
            OSError: its file does not exist any more or cannot be read.
        """
        ...


def units_table(rows: Sequence[Unit]) -> pl.DataFrame:
    """Returns UNITS, sorted by name."""
    return pl.DataFrame(rows, schema=dict(UNITS), orient="row").sort("unit")
