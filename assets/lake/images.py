"""Image shards: Parquet files with the unchanged bytes of image files, in the Hugging Face convention."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.lake.ids import content_id
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS
from models.common.canonical import read_header

ROWS_PER_GROUP = 128
IMAGE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("orientation", pa.int8()),
        ("corpus", pa.string()),
        ("license", pa.string()),
        ("url", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})},
)
SCALARS = [name for name in IMAGE_SCHEMA.names if name != "image"]
COMPRESSION = dict.fromkeys(SCALARS, "zstd") | {"image.bytes": "none", "image.path": "zstd"}


@dataclass(frozen=True)
class StoredImage:
    """One readable image to write to a shard."""

    data: bytes
    path: str
    corpus: str
    license: str
    url: str | None = None

    @property
    def image_id(self) -> str:
        """The content hash of the bytes."""
        return content_id(self.data)


def write_image_shard(lake: Lake, path: str, images: Iterable[StoredImage]) -> int:
    """Writes one shard, sorted by id, each image once; returns its number of rows.

    Raises:
        UnreadableImageError: the header of an image does not parse. Probe files before storing them.
    """
    unique = {image.image_id: image for image in images}
    rows = [_row(image_id, unique[image_id]) for image_id in sorted(unique)]
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA)
    pq.write_table(
        table,
        buffer,
        row_group_size=ROWS_PER_GROUP,
        compression=COMPRESSION,  # pyright: ignore[reportArgumentType] one codec per column is allowed
        use_dictionary=False,
        write_statistics=SCALARS,  # pyright: ignore[reportArgumentType] a list of columns is allowed
    )
    lake.write_bytes(path, buffer.getvalue())
    return len(rows)


def read_image_table(lake: Lake, shards: Sequence[str]) -> pl.DataFrame:
    """Returns the scalar columns of shards and the `shard` of each row, without reading pixels."""
    frames = []
    for shard in shards:
        with lake.filesystem.open(lake.uri(shard), "rb") as stream:
            table = pq.read_table(stream, columns=SCALARS)
        frames.append(pl.DataFrame(pl.from_arrow(table)).with_columns(shard=pl.lit(shard)))
    if not frames:
        schema = pl.DataFrame(pl.from_arrow(IMAGE_SCHEMA.empty_table())).drop("image").schema
        return pl.DataFrame(schema={**schema, "shard": pl.String()})
    return pl.concat(frames)


def read_ingested_images(lake: Lake, shards: Sequence[str]) -> pl.DataFrame:
    """Returns `read_image_table` with one row for each image that a record names.

    A shard also holds images of which every file has left its corpus.
    """
    named = lake.read_tables("records", RECORDS).select("image_id").drop_nulls().unique()
    images = read_image_table(lake, shards).unique("image_id", keep="first", maintain_order=True)
    return images.join(named, on="image_id", how="semi", maintain_order="left")


def iterate_shard(lake: Lake, shard: str) -> Iterator[tuple[str, bytes]]:
    """Yields (image id, file bytes) of a shard, with one row group in memory at a time."""
    with lake.filesystem.open(lake.uri(shard), "rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_PER_GROUP, columns=["image_id", "image"]):
            for row in batch.to_pylist():
                yield row["image_id"], row["image"]["bytes"]


def read_images(lake: Lake, shard_of: dict[str, str], image_ids: Iterable[str]) -> dict[str, bytes]:
    """Returns the file bytes of images by id.

    Args:
        lake: holds the shards.
        shard_of: shard of each image id, from `read_image_table`.
        image_ids: images to read.

    Raises:
        KeyError: `shard_of` lacks one of the ids.
    """
    wanted: dict[str, set[str]] = {}
    for image_id in image_ids:
        wanted.setdefault(shard_of[image_id], set()).add(image_id)
    files = {}
    for shard, ids in sorted(wanted.items()):
        files |= {image_id: data for image_id, data in iterate_shard(lake, shard) if image_id in ids}
    return files


def _row(image_id: str, image: StoredImage) -> dict[str, object]:
    header = read_header(image.data)
    return {
        "image_id": image_id,
        "image": {"bytes": image.data, "path": image.path},
        "width": header.width,
        "height": header.height,
        "format": header.format,
        "orientation": header.orientation,
        "corpus": image.corpus,
        "license": image.license,
        "url": image.url,
    }
