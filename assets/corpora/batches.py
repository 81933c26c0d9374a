"""Ingest batches: which units of a corpus are ingested together. A batch loses units, but never gains one."""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import polars as pl

from assets.corpora.config import CorporaConfig, CorpusConfig
from assets.corpora.outcomes import (
    outcomes_path,
    read_outcomes,
    read_unit_contents,
    units_path,
    without_pixels,
)
from assets.corpora.readers.reader import UNITS, CorpusError, CorpusSource, LeftOut, Reader, Unit
from assets.corpora.readers.registry import reader_of
from assets.lake.ids import content_id, digest
from assets.lake.lake import Lake, is_local
from assets.lake.paths import BATCHES, batch_path
from assets.lake.steps import read_manifest

LISTINGS = "listings"

RECENT_SECONDS, PAUSE_SECONDS = 2.0, 0.3
"""If a file changed less than two seconds ago, a second look after this pause tells whether it grows."""

MAX_NAMED = 100
"""Left out lines and files that a listing names; all are counted."""

Tell = Callable[[str], None]
"""Called with a line for people."""


class IngestBatch(NamedTuple):
    """Units of one corpus that are ingested together: one partition of the raw assets.

    Attributes:
        name: its corpus and a number.
        corpus: name of the corpus.
        units: UNITS as they were when the batch was made, and `gone`: whether a unit has left or changed.
    """

    name: str
    corpus: str
    units: pl.DataFrame

    def live(self) -> list[Unit]:
        """Returns the units that are still in the corpus."""
        rows = self.units.filter(~pl.col("gone")).select(list(UNITS))
        return [Unit(*row) for row in rows.iter_rows()]

    def files(self) -> str:
        """Returns a digest of the units that are still in the corpus, for the identity of the steps.

        The versions of files are not part of it, so that a copy of a corpus is the same corpus. A unit with
        other content is in another batch.
        """
        live = self.units.filter(~pl.col("gone")).select("unit", "row")
        return digest([self.corpus, *map(list, live.iter_rows())])


def ignore(line: str) -> None:
    """Tells nobody."""


def discover_batches(lake: Lake, config: CorporaConfig, tell: Tell = ignore) -> list[IngestBatch]:
    """Returns the batches of the profile's corpora in order, after writing what changed.

    New units, sorted by name, are divided into new batches. A unit that has left the corpus or has changed
    leaves its batch, and a changed one is new. A file that is still growing waits for the next call. The
    result does not depend on the order in which a disk lists the files or on how often the function is
    called. A call that was killed is completed by the next one.

    Args:
        lake: holds the batches.
        config: the corpora.
        tell: called with a line for each corpus that lost or changed units, or has something left out.

    Raises:
        CorpusError: a corpus does not exist at the path that the profile gives, or cannot be read.
    """
    known = stored_batches(lake)
    batches = []
    for corpus in config.corpora:
        reader, source = reader_of(lake, corpus)
        units = _settled(lake, reader, source, corpus, tell)
        own = [batch for batch in known if batch.corpus == corpus.name]
        frozen = _without_gone(lake, own, units, reader, source, tell)
        listed = pl.concat(
            [
                pl.DataFrame(schema=dict(UNITS)),
                *(batch.units.filter(~pl.col("gone")).select(list(UNITS)) for batch in frozen),
            ]
        )
        new = units.join(listed, on="unit", how="anti").sort("unit")
        # The lowest free number: a lost or damaged file of a batch is written again under its old name.
        taken = {batch.name for batch in frozen}
        names = (name for number in count() if (name := f"{corpus.name}-{number:04d}") not in taken)
        for name, part in zip(names, _slices(new, config.files_per_batch), strict=False):
            batch = IngestBatch(name, corpus.name, part.with_columns(gone=pl.lit(value=False)))
            _write_batch(lake, batch)
            frozen.append(batch)
        batches += sorted(frozen, key=_number)
    return batches


def _settled(
    lake: Lake, reader: Reader, source: CorpusSource, corpus: CorpusConfig, tell: Tell
) -> pl.DataFrame:
    """Returns the units that do not grow, and writes what the listing leaves out."""
    units, left_out = reader.list_units(source)
    if is_local(source.root) and _changed_just_now(units):
        time.sleep(PAUSE_SECONDS)
        again, left_out = reader.list_units(source)
        units = again.join(units, on=list(UNITS), how="semi", nulls_equal=True).sort("unit")
        growing = again.join(units, on="unit", how="anti")["unit"]
        if len(growing):
            tell(f"Corpus {corpus.name}: {len(growing)} still growing, such as {growing[0]}; left for later.")
    _write_listing(lake, corpus.name, left_out, tell)
    return units


def _changed_just_now(units: pl.DataFrame) -> bool:
    times = units["version"].str.split(" ").explode().cast(pl.Int64, strict=False)
    newest = times.max()
    return isinstance(newest, int) and abs(time.time() - newest / 1e9) < RECENT_SECONDS


def _without_gone(
    lake: Lake,
    batches: Sequence[IngestBatch],
    units: pl.DataFrame,
    reader: Reader,
    source: CorpusSource,
    tell: Tell,
) -> list[IngestBatch]:
    """Returns the batches with `gone` set for units that have left or changed, after writing those."""
    result, left, changed = [], [], []
    for batch in batches:
        now = units.select(
            "unit", now_size="size", now_version="version", now_row="row", here=pl.lit(value=True)
        )
        compared = batch.units.join(now, on="unit", how="left", maintain_order="left")
        here = pl.col("here").fill_null(value=False)
        same = here & (pl.col("size") == pl.col("now_size")) & pl.col("row").eq_missing(pl.col("now_row"))
        compared = compared.with_columns(was_gone="gone", gone=pl.col("gone") | ~same)
        touched = compared.filter(~pl.col("gone") & (pl.col("version") != pl.col("now_version")))
        if touched.height:  # only the times of the files differ, as in a copy: their content decides
            seen = [
                Unit(*row) for row in touched.select("unit", "now_size", "now_version", "now_row").iter_rows()
            ]
            other = _with_other_content(lake, batch.name, seen, reader, source)
            compared = compared.with_columns(gone=pl.col("gone") | pl.col("unit").is_in(other))
        lost = compared.filter(pl.col("gone") & ~pl.col("was_gone"))
        left += lost.filter(~here)["unit"].to_list()
        changed += lost.filter(here)["unit"].to_list()
        version = pl.when(pl.col("gone")).then("version").otherwise("now_version")
        kept = batch._replace(units=compared.with_columns(version=version).select([*UNITS, "gone"]))
        if lost.height or touched.height:
            _write_batch(lake, kept)
        result.append(kept)
    for names, what in ((left, "left"), (changed, "changed")):
        if names:
            first = ", ".join(names[:3])
            tell(f"{len(names)} of {source.root} {what}: {first}{' …' if len(names) > 3 else ''}")
    return result


def _with_other_content(
    lake: Lake, batch: str, units: Sequence[Unit], reader: Reader, source: CorpusSource
) -> list[str]:
    """Returns the units that say something else than when they were ingested, or were not ingested."""
    outcomes, contents = read_outcomes(lake, batch), read_unit_contents(lake, batch)
    other = []
    for unit in units:
        try:
            said, same = [], True
            for sample in reader.read_unit(source, unit):  # one at a time: a unit may hold many images
                said.append(without_pixels(sample))
                images = () if isinstance(sample, LeftOut) else (*sample.sources, sample.target)
                same = same and all(
                    image.path in outcomes and outcomes[image.path].content == content_id(image.load())
                    for image in images
                )
            same = same and contents.get(unit.unit) == digest(said)
        except (OSError, CorpusError):
            same = False
        if not same:
            other.append(unit.unit)
    return other


def stored_batches(lake: Lake) -> list[IngestBatch]:
    """Returns all stored batches in order. A batch whose file is damaged is left out."""
    stored = (_read_batch(lake, path) for path in lake.list(BATCHES, ".json"))
    batches = [batch for batch in stored if batch is not None]
    return sorted(batches, key=_number)


def read_batch(lake: Lake, name: str) -> IngestBatch:
    """Returns a stored batch by its name.

    Raises:
        CorpusError: there is no such batch, or its file is damaged.
    """
    batch = _read_batch(lake, batch_path(name))
    if batch is None:
        raise CorpusError(
            f"{lake.uri(batch_path(name))} is missing or damaged. Run all assets to write it again."
        )
    return batch


def is_ingested(lake: Lake, name: str) -> bool:
    """Returns whether a batch is ingested with the units that it has now."""
    record = lake.read_checked(batch_path(name))
    ingested, manifest = (read_manifest(lake, f"{asset}/{name}") for asset in ("raw_samples", "raw_images"))
    if record is None or ingested is None or manifest is None:
        return False
    return manifest.config.get("batch") == {"files": record["files"]}


def read_left_out(lake: Lake, corpus: str) -> Mapping[str, Any]:
    """Returns how much of a corpus is left out, and the first such lines and files with their reasons."""
    return lake.read_checked(f"{LISTINGS}/{corpus}.json") or {"count": 0, "left_out": []}


def delete_batches(lake: Lake, corpus: str) -> None:
    """Deletes the batches of a corpus and all tables and shards made from them, before it is rebuilt."""
    # By name, because the file of a batch may be damaged.
    names = [PurePosixPath(path).stem for path in lake.list(BATCHES, ".json")]
    for name in (name for name in names if name.rpartition("-")[0] == corpus):
        for path in (f"records/{name}.parquet", outcomes_path(name), units_path(name), *raw_tables(name)):
            lake.delete(path)
        for path in [*lake.list("manifests"), *lake.list("previews")]:
            if PurePosixPath(path).stem == name:
                lake.delete(path)
        measure_tables = (path for path in lake.list("measures") if f"/{name}-shard-" in path)
        for path in [*lake.list(f"images/{name}"), *measure_tables, batch_path(name), _units_path(name)]:
            lake.delete(path)


def raw_tables(batch: str) -> tuple[str, str]:
    """Returns the paths of the tables of a batch's samples and their texts."""
    return f"samples/raw/{batch}.parquet", f"texts/raw/{batch}.parquet"


def _write_listing(lake: Lake, corpus: str, left_out: Sequence[LeftOut], tell: Tell) -> None:
    record = {"count": len(left_out), "left_out": [one._asdict() for one in left_out[:MAX_NAMED]]}
    if record == read_left_out(lake, corpus):
        return
    lake.write_checked(f"{LISTINGS}/{corpus}.json", record)
    if left_out:
        first = left_out[0]
        tell(f"Corpus {corpus}: {len(left_out)} left out, such as {first.where}: {first.reason}")


def _read_batch(lake: Lake, path: str) -> IngestBatch | None:
    """Returns a stored batch; None if its file is missing or damaged."""
    record = lake.read_checked(path)
    if record is None:
        return None
    try:
        data = lake.read_bytes(_units_path(record["batch"]))
        units = pl.read_parquet(io.BytesIO(data)) if content_id(data) == record["units"] else None
    except FileNotFoundError:
        return None
    return None if units is None else IngestBatch(record["batch"], record["corpus"], units)


def _write_batch(lake: Lake, batch: IngestBatch) -> None:
    lake.write_table(_units_path(batch.name), batch.units, {**UNITS, "gone": pl.Boolean()})
    units = content_id(lake.read_bytes(_units_path(batch.name)))
    record = {"batch": batch.name, "corpus": batch.corpus, "files": batch.files(), "units": units}
    lake.write_checked(batch_path(batch.name), record)


def _number(batch: IngestBatch) -> tuple[int, str]:
    return len(batch.name), batch.name  # batch 9999 before 10000


def _units_path(name: str) -> str:
    return f"{BATCHES}/{name}.parquet"


def _slices(units: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    for start in range(0, units.height, size):
        yield units.slice(start, size)
