import numpy as np
import pytest

from assets.engine.measure import measure_shards
from assets.lake.images import StoredImage, write_image_shard
from assets.measured.thumbnail import THUMBNAIL, MissingThumbnailError, ThumbnailArray
from models.common.pixels import encode_png
from models.common.progress import silent
from models.common.thumbnail import resize_to_square

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 64, 80, 3), dtype=np.uint8)
IMAGES = [StoredImage(encode_png(picture), str(n), "t", "x") for n, picture in enumerate(PICTURES)]


@pytest.fixture
def shard(lake):
    path = "images/b/shard-000.parquet"
    write_image_shard(lake, path, IMAGES)
    measure_shards(lake, [path], [THUMBNAIL], workers=1, progress=silent)
    return path


def test_thumbnails_come_in_the_order_that_is_asked_for(lake, shard):
    ids = [image.image_id for image in IMAGES]
    thumbnails = ThumbnailArray(lake, dict.fromkeys(ids, shard), ids)
    found = thumbnails.images[thumbnails.rows([ids[2], ids[0], ids[2]])]
    assert (found == np.stack([resize_to_square(PICTURES[n]) for n in (2, 0, 2)])).all()


def test_only_wanted_images_are_held(lake, shard):
    assert ThumbnailArray(lake, {IMAGES[1].image_id: shard}, [IMAGES[1].image_id]).images.shape == (
        1,
        64,
        64,
        3,
    )
    assert ThumbnailArray(lake, {}, []).images.shape == (0, 64, 64, 3)


def test_an_image_that_was_not_measured_is_named(lake, shard):
    with pytest.raises(MissingThumbnailError) as caught:
        ThumbnailArray(lake, {"no-such-id": shard}, ["no-such-id"]).rows(["no-such-id"])
    assert caught.value.image_id == "no-such-id"
