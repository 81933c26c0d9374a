"""The same lake in a bucket, on an S3 server that the test starts."""

import polars as pl
import pytest

from assets.lake import steps
from assets.lake.images import StoredImage, iterate_shard, write_image_shard
from assets.lake.lake import Lake
from assets.lake.run_step import run_step
from models.common.pixels import encode_png


@pytest.fixture(scope="module")
def bucket_server():
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="lake")
        yield
    server.stop()


def test_a_bucket_holds_tables_shards_and_manifests_like_a_folder(bucket_server, tmp_path):
    import numpy as np

    picture = encode_png(np.zeros((4, 5, 3), np.uint8))
    frame = pl.DataFrame({"id": ["a", "b"], "value": [1, 2]})
    contents = []
    for root in ("s3://lake/emberline", str(tmp_path)):
        lake = Lake(root)

        def build(lake: Lake = lake) -> steps.StepOutput:
            lake.write_table("verdicts/x.parquet", frame)
            write_image_shard(lake, "images/b/shard-000.parquet", [StoredImage(picture, "a.png", "c", "CC0")])
            return steps.StepOutput(("verdicts/x.parquet", "images/b/shard-000.parquet"), rows=2)

        step = steps.Step("x", "1", {}, {})
        contents.append(run_step(lake, step, build).content)
        assert run_step(lake, step, build).reused
        assert lake.list("", ".parquet") == ["images/b/shard-000.parquet", "verdicts/x.parquet"]
        assert [data for _, data in iterate_shard(lake, "images/b/shard-000.parquet")] == [picture]
        lake.delete("verdicts/x.parquet")
        assert not lake.exists("verdicts/x.parquet")
    assert contents[0] == contents[1]


def test_a_bucket_has_no_local_path():
    with pytest.raises(ValueError, match="in a bucket"):
        Lake("s3://lake/emberline").local_path("training")
