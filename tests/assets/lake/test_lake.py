import io
import subprocess
import sys
import time

import polars as pl
import pytest
from PIL import Image

from assets.corpora.readers.files import list_files, read_corpus_file
from assets.lake import schemas
from assets.lake.ids import content_id, digest, sample_id
from assets.lake.images import StoredImage, iterate_shard, read_image_table, read_images, write_image_shard
from assets.lake.lake import Lake


def png(colour: str, size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


def test_ids_are_the_first_half_of_sha256():
    # FIPS 180-2, example B.1: SHA-256 of "abc"
    assert content_id(b"abc") == "ba7816bf8f01cfea414140de5dae2223"


def test_a_sample_id_depends_on_the_order_of_its_references():
    assert sample_id("i2i", ["a", "b"], "c", "k") != sample_id("i2i", ["b", "a"], "c", "k")


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


@pytest.mark.parametrize("name", ["a::b", "file::c", "x?y=1", "50%", "a b#c", "s3:x"])
def test_a_folder_may_have_any_name(tmp_path, name):
    lake = Lake(str(tmp_path / name))
    lake.write_bytes("tables/one.bin", b"1")
    assert lake.is_local
    assert lake.list("tables") == ["tables/one.bin"]
    assert (lake.read_bytes("tables/one.bin"), lake.size("tables/one.bin")) == (b"1", 1)
    assert (tmp_path / name / "tables" / "one.bin").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [file.path for file in list_files(str(tmp_path / name))[0]] == ["tables/one.bin"]
    assert read_corpus_file(str(tmp_path / name), "tables/one.bin") == b"1"


def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "table.bin"
    code = (
        "from pathlib import Path\nfrom models.common.files import write_atomically\n"
        f"path = Path({str(path)!r})\nnumber = 0\n"
        "while True:\n"
        "    write_atomically(path, bytes([number % 251]) * 2_000_000)\n    number += 1\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code])
    while not path.exists():
        time.sleep(0.01)
    time.sleep(0.3)
    writer.kill()
    writer.wait()
    data = path.read_bytes()
    assert len(data) == 2_000_000
    assert len(set(data)) == 1


def test_equal_tables_are_equal_bytes(lake: Lake):
    frame = pl.DataFrame({"id": ["b", "a"], "value": [1.5, None]})
    lake.write_table("one.parquet", frame)
    lake.write_table("two.parquet", frame.clone())
    assert lake.read_bytes("one.parquet") == lake.read_bytes("two.parquet")


def test_a_table_with_another_schema_is_refused_with_the_column_named(lake: Lake):
    frame = schemas.empty(schemas.VERDICTS).rename({"rule": "rulle"})
    with pytest.raises(schemas.SchemaError, match=r"verdicts.*rule.*rulle"):
        lake.write_table("verdicts.parquet", frame, schemas.VERDICTS)


def test_a_value_outside_its_enum_is_refused():
    frame = pl.DataFrame({name: ["x"] for name in schemas.TEXTS})
    with pytest.raises(schemas.SchemaError, match="does not fit"):
        schemas.conform(frame, schemas.TEXTS, "texts")


def test_image_bytes_come_back_as_they_went_in(lake: Lake):
    files = [png("red"), png("blue"), png("red")]
    images = [StoredImage(data, f"{n}.png", "demo", "CC0") for n, data in enumerate(files)]
    assert write_image_shard(lake, "images/b/shard-000.parquet", images) == 2
    stored = dict(iterate_shard(lake, "images/b/shard-000.parquet"))
    assert stored == {content_id(data): data for data in files}
    table = read_image_table(lake, ["images/b/shard-000.parquet"])
    assert table["width"].to_list() == [8, 8]
    shard_of = dict(table.select("image_id", "shard").rows())
    assert read_images(lake, shard_of, [content_id(files[1])]) == {content_id(files[1]): files[1]}


def test_an_image_shard_follows_the_hugging_face_convention(lake: Lake):
    import pyarrow.parquet as pq

    write_image_shard(lake, "s.parquet", [StoredImage(png("red"), "a.png", "demo", "CC0")])
    file = pq.ParquetFile(lake.uri("s.parquet"))
    metadata = file.schema_arrow.metadata
    assert metadata is not None
    assert b'"image": {"_type": "Image"}' in metadata[b"huggingface"]
    column = {
        file.metadata.row_group(0).column(i).path_in_schema: i for i in range(file.metadata.num_columns)
    }
    assert file.metadata.row_group(0).column(column["image.bytes"]).compression == "UNCOMPRESSED"
