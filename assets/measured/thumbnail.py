"""Thumbnails of many images in one array, as small models and comparisons read them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from assets.engine.measure import Measure, each, read_measures
from assets.lake.lake import Lake
from models.common.thumbnail import from_bytes, squeeze


def measure_thumbnail(image: np.ndarray) -> Mapping[str, Any]:
    """Returns `squeezed`: the whole (H, W, 3) image as a 64x64 square, 12,288 bytes, row by row, RGB."""
    return {"squeezed": squeeze(image).tobytes()}


THUMBNAIL = Measure(
    name="thumbnail",
    version="1",
    long_side=256,
    columns={"squeezed": pl.Binary()},
    run=each(measure_thumbnail),
)


class Thumbnails:
    """Measured thumbnails of some images.

    Attributes:
        pictures: (N, 64, 64, 3) uint8, in the order of the image ids.
        row_of: the row of each image id.
    """

    def __init__(self, lake: Lake, shards: Sequence[str], image_ids: Iterable[str]) -> None:
        wanted = pl.DataFrame({"id": sorted(set(image_ids))}, schema={"id": pl.String()})
        table = read_measures(lake, [THUMBNAIL], shards).drop_nulls("thumbnail.squeezed")
        table = table.join(wanted, on="id", how="semi").sort("id")
        self.pictures = from_bytes(table["thumbnail.squeezed"].to_list())
        self.row_of = {image_id: row for row, image_id in enumerate(table["id"])}

    def rows(self, image_ids: Iterable[str]) -> np.ndarray:
        """Returns the row of each image, (M,).

        Raises:
            LookupError: an image has no thumbnail.
        """
        try:
            return np.array([self.row_of[image_id] for image_id in image_ids], np.int64)
        except KeyError as error:
            raise LookupError(
                f"Image {error.args[0]} has no row in the measure `thumbnail`: measure its shard."
            ) from error
