"""Thumbnails: the measure, and an array of the thumbnails of many images."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from assets.engine.measure import ImageMeasure, one_by_one, read_measures
from assets.lake.lake import Lake
from models.common.thumbnail import resize_to_square, squares_from_bytes


def measure_thumbnail(image: np.ndarray) -> Mapping[str, Any]:
    """Returns `squeezed`: the whole (H, W, 3) image resized to 64x64, as 12,288 bytes, row by row in RGB."""
    return {"squeezed": resize_to_square(image).tobytes()}


THUMBNAIL = ImageMeasure(
    name="thumbnail",
    version="1",
    long_side=256,
    columns={"squeezed": pl.Binary()},
    run=one_by_one(measure_thumbnail),
)


class MissingThumbnailError(LookupError):
    """An image has no thumbnail.

    Attributes:
        image_id: its id.
    """

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(f"Image {image_id} has no row in the measure `thumbnail`. Measure its shard.")


class ThumbnailArray:
    """The measured thumbnails of some images.

    Attributes:
        images: (N, 64, 64, 3) uint8, in the order of the image ids.
        row_of: the row of each image id.
    """

    def __init__(self, lake: Lake, shard_of: Mapping[str, str], image_ids: Iterable[str]) -> None:
        """Reads the thumbnails of some images.

        Args:
            lake: holds the measure `thumbnail` of their shards.
            shard_of: the image shard of each image, at least of these.
            image_ids: in any order; an image without a readable thumbnail is left out.
        """
        ids = sorted(set(image_ids))
        wanted = pl.DataFrame({"id": ids}, schema={"id": pl.String()})
        shards = sorted({shard_of[image_id] for image_id in ids})
        table = read_measures(lake, [THUMBNAIL], shards).drop_nulls("thumbnail.squeezed")
        table = table.join(wanted, on="id", how="semi").sort("id")
        self.images = squares_from_bytes(table["thumbnail.squeezed"].to_list())
        self.row_of = {image_id: row for row, image_id in enumerate(table["id"])}

    def rows(self, image_ids: Iterable[str]) -> np.ndarray:
        """Returns the row of each image, (M,).

        Raises:
            MissingThumbnailError: an image has no thumbnail.
        """
        try:
            return np.array([self.row_of[image_id] for image_id in image_ids], np.int64)
        except KeyError as error:
            raise MissingThumbnailError(error.args[0]) from error
