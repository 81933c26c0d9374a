import polars as pl
import pytest
from small_lake import write_small_lake

from assets.dedup.copy_descriptor import nearest_similarities
from assets.engine.measure import ImageMeasure, measure_shards, one_by_one
from models.common.progress import silent

SHARDS = ["images/mine-0000/shard-000.parquet", "images/synthesized/shard-000.parquet"]


def along(image):
    """A unit vector whose direction turns with the picture's brightness: two pictures alike, one apart."""
    return {"vector": [1.0, 0.0] if image.mean() < 120 else [0.0, 1.0]}


@pytest.fixture
def descriptor():
    columns = {"vector": pl.List(pl.Float32())}
    return ImageMeasure(name="descriptor", version="1", long_side=16, columns=columns, run=one_by_one(along))


def test_the_nearest_other_picture_is_told_by_quantiles(lake, descriptor):
    write_small_lake(lake)
    measure_shards(lake, SHARDS, [descriptor], workers=1, progress=silent)
    found = {row["quantile"]: row["cosine"] for row in nearest_similarities(lake, SHARDS, descriptor)}
    assert list(found) == [0.05, 0.5, 0.9, 0.99]
    assert (found[0.05], found[0.5], found[0.99]) == (pytest.approx(0.1), 1.0, 1.0)


def test_one_picture_alone_has_no_nearest(lake, descriptor):
    write_small_lake(lake)
    measure_shards(lake, SHARDS[1:], [descriptor], workers=1, progress=silent)
    assert nearest_similarities(lake, SHARDS[1:], descriptor) == []
