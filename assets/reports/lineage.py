"""The history of one image or sample, from its file to the checkpoints that saw it."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from assets.lake.images import read_image_table
from assets.lake.lake import Lake
from assets.lake.paths import CLUSTERS_PATH, DEDUPED
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS, VERDICTS

History = dict[str, Any]
LONGEST_LIST = 8


class UnknownIdError(LookupError):
    """No image, record or sample has the id, or more than one has.

    Attributes:
        wanted: the id.
        matches: all ids that match it, sorted.
    """

    def __init__(self, wanted: str, matches: Sequence[str]) -> None:
        self.wanted, self.matches = wanted, tuple(matches)
        first = ", ".join(matches[:5])
        super().__init__(
            f"{wanted!r} matches {len(matches)} ids: {first}. Write more digits of the id."
            if matches
            else f"No image, sample, record or file in this home is called {wanted}. Give an image id, a "
            "sample id, a record id or the path of a file inside its corpus."
        )


def explain(lake: Lake, wanted: str) -> History:
    """Returns the history of an image or a sample.

    Args:
        lake: holds all tables.
        wanted: an image id, a sample id or a record id, of which the first digits are enough if they are
            unambiguous; or a file's path inside its corpus.

    Raises:
        UnknownIdError: nothing matches `wanted`, or more than one thing does.
    """
    records = lake.read_tables("records", RECORDS)
    samples = lake.read_tables("samples", SAMPLES)
    images = read_image_table(lake, lake.list("images", ".parquet")).unique("image_id")
    matches = _matching_ids(wanted, records, samples, images)
    if len(matches) != 1:
        raise UnknownIdError(wanted, sorted(matches))
    identifier = str(matches.pop())
    if samples.filter(pl.col("sample_id") == identifier).height:
        return _history_of_sample(lake, identifier, samples)
    return _history_of_image(lake, identifier, records, samples, images, wanted=wanted)


def _matching_ids(
    wanted: str, records: pl.DataFrame, samples: pl.DataFrame, images: pl.DataFrame
) -> set[str]:
    """Returns the ids that equal `wanted`, else those that start with it. A record stands for its image."""
    own_id = pl.coalesce("image_id", "record_id").alias("id")
    paths = records.select(pl.col("path").alias("name"), own_id)
    ids = pl.concat(
        [
            records.select(pl.col("record_id").alias("name"), own_id),
            images.select(pl.col("image_id").alias("name"), pl.col("image_id").alias("id")),
            samples.select(pl.col("sample_id").alias("name"), pl.col("sample_id").alias("id")),
        ]
    )
    exact = pl.concat([paths, ids]).filter(pl.col("name") == wanted)
    return set((exact if exact.height else ids.filter(pl.col("name").str.starts_with(wanted)))["id"])


def _history_of_image(
    lake: Lake,
    identifier: str,
    records: pl.DataFrame,
    samples: pl.DataFrame,
    images: pl.DataFrame,
    *,
    wanted: str,
) -> History:
    own = records.filter((pl.col("image_id") == identifier) | (pl.col("record_id") == identifier))
    image_ids = own["image_id"].drop_nulls().unique().to_list() or [identifier]
    image_id = image_ids[0]
    used = samples.filter(
        pl.col("source_ids").list.contains(image_id) | (pl.col("target_id") == image_id)
    ).sort("sample_id")
    is_own = pl.col("record_id").is_in(own["record_id"].to_list())
    return {
        "image_id": image_id,
        "file": _asked_file(lake, own, wanted),
        "files": own.drop("image_id").to_dicts(),
        "planted": _rows(lake, "corpora/truth.parquet", is_own),
        "stored": images.filter(pl.col("image_id") == image_id).to_dicts(),
        "measures": _measures(lake, image_id),
        "kept_instead": _kept_instead(lake, image_id, records),
        "verdicts": _verdicts(lake, image_id),
        "samples": [_role(row, image_id) for row in used.iter_rows(named=True)],
    }


def _asked_file(lake: Lake, own: pl.DataFrame, wanted: str) -> History | None:
    """Returns the verdict on one file of an image, if a file was asked for: of equal files, one is kept."""
    asked = own.filter((pl.col("path") == wanted) | pl.col("record_id").str.starts_with(wanted))
    if asked.height != 1:
        return None
    record_id, path = asked.select("record_id", "path").row(0)
    dropped = _rows(lake, DEDUPED, (pl.col("id") == record_id) & ~pl.col("kept"))
    if not dropped:
        return {"path": path, "kept_as_file": asked["image_id"][0] is not None}
    # As in `duplicate_verdicts`: the first file by corpus and path stands for all files with its bytes.
    first = own.drop_nulls("image_id").sort("corpus", "path")["path"][0]
    return {"path": path, "kept_as_file": False, "rule": dropped[0]["rule"], "kept_instead": first}


def _kept_instead(lake: Lake, image_id: str, records: pl.DataFrame) -> History | None:
    """Returns the image that was kept in place of a near-copy, with its files; None if there is none."""
    is_copy = (pl.col("image_id") == image_id) & (pl.col("kept_id") != image_id)
    rows = _rows(lake, CLUSTERS_PATH, is_copy)
    if not rows:
        return None
    kept_id = rows[0]["kept_id"]
    return {"image_id": kept_id, "files": records.filter(pl.col("image_id") == kept_id)["path"].to_list()}


def _history_of_sample(lake: Lake, sample_id: str, samples: pl.DataFrame) -> History:
    row = samples.row(by_predicate=pl.col("sample_id") == sample_id, named=True)
    texts = lake.read_tables("texts", TEXTS).filter(pl.col("sample_id") == sample_id)
    children = samples.filter(pl.col("origin").struct.field("parents").list.contains(sample_id))
    is_this = pl.col("sample_id") == sample_id
    mixtures = [name for name in _stems(lake, "mixtures") if _rows(lake, f"mixtures/{name}.parquet", is_this)]
    seen = {name: _rows(lake, f"training/{name}/seen.parquet", is_this) for name in _stages(lake)}
    return {
        **row,
        "texts": texts.select("kind", "lang", "text", "model").sort("kind", "lang", "text").to_dicts(),
        "measures": _measures(lake, sample_id),
        "verdicts": _verdicts(lake, sample_id),
        "made_of_it": children["sample_id"].sort().to_list(),
        "mixtures": mixtures,
        "seen_by": [{"stage": name, **rows[0]} for name, rows in seen.items() if rows],
    }


def _role(row: History, image_id: str) -> History:
    role = "target" if row["target_id"] == image_id else "source"
    template = row["origin"]["template"]
    return {"sample_id": row["sample_id"], "role": role, "task": row["task"], "template": template}


def _measures(lake: Lake, identifier: str) -> History:
    values: History = {}
    for path in lake.list("measures", ".parquet"):
        rows = _rows(lake, path, pl.col("id") == identifier)
        if rows:
            name = path.split("/")[1]
            values[name] = {key: _summary(value) for key, value in rows[0].items() if key != "id"}
    return values


def _summary(value: Any) -> Any:
    """Returns a measured value, or only the size of pixels and vectors."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return f"{len(value)} numbers" if isinstance(value, list) and len(value) > LONGEST_LIST else value


def _verdicts(lake: Lake, identifier: str) -> list[History]:
    paths = lake.list("verdicts", ".parquet")
    tables = (lake.read_table(path, VERDICTS).filter(pl.col("id") == identifier) for path in paths)
    return [row for table in tables for row in table.drop("id").to_dicts()]


def _rows(lake: Lake, path: str, predicate: pl.Expr) -> list[History]:
    return lake.read_table(path).filter(predicate).to_dicts() if lake.exists(path) else []


def _stems(lake: Lake, folder: str) -> list[str]:
    return [path.split("/")[-1].removesuffix(".parquet") for path in lake.list(folder, ".parquet")]


def _stages(lake: Lake) -> list[str]:
    return [path.split("/")[1] for path in lake.list("training", "seen.parquet")]
