import numpy as np
import polars as pl

from assets.engine.measure import (
    ImageMeasure,
    measure_shard,
    measure_shards,
    one_by_one,
    read_ledger,
    read_measures,
)
from assets.lake.images import StoredImage, write_image_shard
from assets.lake.lake import Lake
from models.common.pixels import encode_png
from models.common.progress import silent
from models.common.seeding import numpy_generator


def brightness(image: np.ndarray) -> dict[str, float]:
    if image.shape[0] == 7:
        raise RuntimeError("seven")
    return {"mean": float(image.mean()), "side": max(image.shape)}


MEAN = ImageMeasure("mean", "1", 16, {"mean": pl.Float64(), "side": pl.Int64()}, one_by_one(brightness))
HEIGHT = ImageMeasure(
    "size", "1", 1024, {"side": pl.Int64()}, one_by_one(lambda image: {"side": max(image.shape)})
)


def shard_of(lake: Lake, name: str, sides: list[int]) -> str:
    path = f"images/{name}/shard-000.parquet"
    images = []
    for side in sides:
        pixels = numpy_generator(1, "test", name, side).integers(0, 255, (side, side, 3), dtype=np.uint8)
        images.append(StoredImage(encode_png(pixels), f"{side}.png", "demo", "CC0"))
    write_image_shard(lake, path, images)
    return path


def test_an_image_that_a_measure_fails_on_gets_the_reason_and_the_others_their_values(lake: Lake):
    shard = shard_of(lake, "a", [7, 40])
    measure_shards(lake, [shard], [MEAN], workers=1, progress=silent)
    table = read_measures(lake, [MEAN], [shard]).sort("mean.side", nulls_last=True)
    assert table["mean.side"].to_list() == [16, None]
    assert table["mean.error"].to_list() == [None, "RuntimeError: seven"]


def test_what_is_measured_is_not_measured_again(lake: Lake):
    shard = shard_of(lake, "a", [8, 9])
    measure_shards(lake, [shard], [MEAN], workers=1, progress=silent)
    before = read_ledger(lake)
    measure_shards(lake, [shard], [MEAN, HEIGHT], workers=1, progress=silent)
    after = read_ledger(lake)
    assert before.rows() == after.filter(pl.col("measure") == "mean").rows()
    assert after.filter(pl.col("measure") == "size").height == 1


def test_a_value_does_not_depend_on_which_measures_run_beside_it(tmp_path):
    alone, together = Lake(str(tmp_path / "alone")), Lake(str(tmp_path / "together"))
    for lake, measures in ((alone, [MEAN]), (together, [HEIGHT, MEAN])):
        measure_shard(lake, measures, shard_of(lake, "a", [300, 33]))
    path = "measures/mean@1/a-shard-000.parquet"
    assert alone.read_bytes(path) == together.read_bytes(path)


def test_a_table_without_its_ledger_entry_is_measured_again(lake: Lake):
    shard = shard_of(lake, "a", [8])
    (path,) = measure_shard(lake, [MEAN], shard)
    lake.delete(path.replace(".parquet", ".json"))
    lake.write_bytes(path, b"torn")
    measure_shard(lake, [MEAN], shard)
    assert lake.read_table(path).height == 1
