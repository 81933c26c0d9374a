import numpy as np
import polars as pl
import pytest
from small_lake import record, write, write_small_lake

from assets.dedup.copy_descriptor import nearest_similarities, train_copy_descriptor
from assets.engine.measure import ImageMeasure, measure_shards, one_by_one
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.schemas import RECORDS
from assets.measured.pdq import PDQ
from assets.measured.thumbnail import THUMBNAIL
from models.common.pixels import encode_jpeg
from models.common.progress import silent
from orchestration.profile import load_profile

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


@pytest.fixture
def trained(lake):
    """A lake whose descriptor was trained for two steps on two pictures, and the settings."""
    write_small_lake(lake)
    measure_shards(lake, SHARDS[:1], [PDQ, THUMBNAIL], workers=1, progress=silent)
    settings = load_profile("demo").descriptor.model_copy(
        update={"steps": 2, "batch_size": 2, "warmup_steps": 1}
    )
    output = train_copy_descriptor(lake, SHARDS[:1], settings, silent)
    assert output.facts["trained_before"] is False
    return lake, settings, {path: lake.read_bytes(path) for path in output.files}


def test_a_trained_descriptor_stays_whatever_images_come(trained):
    lake, settings, files = trained
    image = StoredImage(encode_jpeg(np.full((32, 32, 3), 9, np.uint8), 90), "later.jpg", "mine", "own")
    write_image_shard(lake, "images/mine-0001/shard-000.parquet", [image])
    measure_shards(lake, ["images/mine-0001/shard-000.parquet"], [PDQ, THUMBNAIL], workers=1, progress=silent)
    write(lake, "records/mine-0001.parquet", RECORDS, record("later", image.image_id))
    later = settings.model_copy(update={"threads": 1, "checkpoint_every": 1})  # decide no result
    output = train_copy_descriptor(lake, [SHARDS[0], "images/mine-0001/shard-000.parquet"], later, silent)
    assert output.facts["trained_before"] is True
    assert {path: lake.read_bytes(path) for path in output.files} == files


@pytest.mark.parametrize("change", ["settings", "damage", "deleted", "forced"])
def test_it_is_trained_again_when_asked_or_lost(trained, change):
    lake, settings, files = trained
    weights = next(path for path in files if path.endswith(".safetensors"))
    if change == "settings":
        settings = settings.model_copy(update={"steps": 3})
    elif change == "damage":
        lake.write_bytes(weights, files[weights][:-1] + b"x")
    elif change == "deleted":
        lake.delete(weights)
    else:
        for path in files:
            lake.set_aside(path)
    output = train_copy_descriptor(lake, SHARDS[:1], settings, silent)
    assert output.facts["trained_before"] is False
    again = lake.read_bytes(weights)
    assert (again == files[weights]) == (change != "settings")
