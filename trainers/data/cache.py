"""The interface between data and training: tensors in safetensors shards, and the tables that name them.

Imports no Torch at the top, because the data stages write these tables too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from safetensors import safe_open

from models.common.files import publish_file, temporary_beside, write_atomically

if TYPE_CHECKING:
    import torch

INDEX_NAME = "index.parquet"

MADE_WITH = "made_with.json"
"""File with the identity of a cache's encoder. Keys are content hashes, so it fixes every tensor."""

INDEX: Mapping[str, pl.DataType] = {
    "key": pl.String(),
    "shard": pl.String(),  # file name
    "tensor": pl.String(),  # name in the shard; several keys may share a tensor
}

MIXTURE: Mapping[str, pl.DataType] = {  # one row for each (sample, text)
    "sample_id": pl.String(),
    "group_id": pl.String(),
    "split": pl.String(),
    "task": pl.String(),
    "category": pl.String(),
    "subcategory": pl.String(),
    "template": pl.String(),
    "text_kind": pl.String(),
    "text_key": pl.String(),
    "target_key": pl.String(),
    "source_keys": pl.List(pl.String()),  # in prompt order
    "bucket": pl.String(),  # task|references|shape|text length; equal buckets, equal tensor shapes
    "weight": pl.Float64(),
}

PREFERENCES: Mapping[str, pl.DataType] = {
    "sample_id": pl.String(),
    "group_id": pl.String(),
    "split": pl.String(),
    "template": pl.String(),
    "text_key": pl.String(),
    "source_keys": pl.List(pl.String()),
    "winner_key": pl.String(),
    "loser_key": pl.String(),
    "bucket": pl.String(),
    "margin": pl.Float64(),  # reward of the winner minus reward of the loser
}


class CacheError(LookupError):
    """A table or tensor of the cache is missing, or a table has other columns than its schema."""


class TensorCache:
    """Tensors by key, read from memory-mapped shards when they are requested."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        index = read_cache_table(folder / INDEX_NAME, INDEX)
        self._locations = {key: (shard, tensor) for key, shard, tensor in index.iter_rows()}
        self._shards: dict[str, safe_open] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._locations

    def get(self, key: str) -> torch.Tensor:
        """Returns one tensor, as it was written.

        Raises:
            CacheError: the cache does not hold this key.
        """
        if key not in self._locations:
            raise CacheError(f"{self._folder} holds no {key!r}. Encode the mixture that needs it first.")
        shard, tensor = self._locations[key]
        if shard not in self._shards:
            self._shards[shard] = safe_open(str(self._folder / shard), framework="pt")
        return self._shards[shard].get_tensor(tensor)


def write_tensors(folder: Path, tensors: Mapping[str, torch.Tensor], *, shard: str) -> Path:
    """Writes one shard atomically; returns its path. Equal tensors give equal bytes."""
    from safetensors.torch import save

    path = folder / shard
    ordered = {key: tensors[key].contiguous() for key in sorted(tensors)}
    write_atomically(path, save(ordered))
    return path


def write_index(folder: Path, entries: Sequence[tuple[str, str, str]]) -> Path:
    """Writes the index of a cache from (key, shard, tensor) entries; returns its path."""
    frame = pl.DataFrame(sorted(entries), schema=dict(INDEX), orient="row")
    return write_cache_table(folder / INDEX_NAME, frame, INDEX)


def read_index(folder: Path) -> list[tuple[str, str, str]]:
    """Returns the (key, shard, tensor) entries of a cache; none if it has no index yet."""
    path = folder / INDEX_NAME
    return list(read_cache_table(path, INDEX).iter_rows()) if path.exists() else []


def read_cache_table(path: Path, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Returns a Parquet table with exactly the columns and types of `schema`.

    Raises:
        CacheError: the table is missing or has other columns.
    """
    if not path.is_file():
        raise CacheError(f"{path} is missing. Run `training_cache` first.")
    return _checked(pl.read_parquet(path), schema, path)


def write_cache_table(path: Path, frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> Path:
    """Writes a Parquet table atomically, after checking its columns as its readers do."""
    temporary = temporary_beside(path)
    _checked(frame, schema, path).write_parquet(temporary, compression="zstd")
    publish_file(temporary, path)
    return path


def _checked(frame: pl.DataFrame, schema: Mapping[str, pl.DataType], path: Path) -> pl.DataFrame:
    if dict(frame.schema) != dict(schema):
        raise CacheError(
            f"{path} has the columns {dict(frame.schema)}, expected {dict(schema)}. "
            "Run the step that writes it again."
        )
    return frame
