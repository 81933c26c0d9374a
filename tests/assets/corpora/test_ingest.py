import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from assets.corpora.batches import discover_batches
from assets.corpora.chunk import split_of
from assets.corpora.config import CorporaConfig, CorpusConfig, ProbeConfig
from assets.corpora.ingest import ingest_batch, summarize_samples
from assets.corpora.readers import files as files_module
from assets.lake.ids import content_id
from assets.lake.images import iterate_shard
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, SAMPLES, TEXTS
from models.common.progress import silent

CONFIG = CorporaConfig(
    corpora=(CorpusConfig(name="c", path="inbox/c", reader="folder", license="CC0"),),
    files_per_batch=100,
    shard_mib=1,
    heldout_share=0.3,
    probe=ProbeConfig(seconds=10, memory_mib=1024, file_mib=2),
)


def picture(number: int, side: int = 24, **save) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=save.pop("format", "PNG"), **save)
    return buffer.getvalue()


def ingest(lake: Lake, files: dict[str, bytes], metadata: list[dict] | None = None):
    for name, data in files.items():
        lake.write_bytes(f"inbox/c/{name}", data)
    if metadata is not None:
        lines = "\n".join(json.dumps(line, ensure_ascii=False) for line in metadata)
        lake.write_bytes("inbox/c/metadata.jsonl", lines.encode())
    (batch,) = discover_batches(lake, CONFIG)
    return ingest_batch(lake, CONFIG, batch, workers=1, progress=silent)


def test_every_file_has_a_record_and_every_readable_one_its_bytes_unchanged(lake: Lake):
    files = {"a.png": picture(1), "b.bin": picture(2, format="WEBP"), "c.jpg": b"no image", "d": b""}
    output = ingest(lake, files)
    records = lake.read_table("records/c-0000.parquet", RECORDS).sort("path")
    assert records["path"].to_list() == sorted(files)
    assert records["image_id"].is_null().to_list() == [False, False, True, True]
    assert records["error"].is_null().to_list() == [True, True, False, False]
    (shard,) = lake.list("images")
    stored = dict(iterate_shard(lake, shard))
    assert stored == {content_id(files[name]): files[name] for name in ("a.png", "b.bin")}
    assert output.rows == 4
    assert [row["path"] for row in output.facts["unreadable"]] == ["c.jpg", "d"]
    assert output.preview is not None


def test_metadata_reaches_records_samples_and_texts(lake: Lake):
    line = {"file_name": "a.png", "text": "a cat", "license": "MIT", "group_id": "g", "split": "heldout"}
    chinese = {"file_name": "b.png", "text": "一只猫", "category": "nature"}
    ingest(lake, {"a.png": picture(1), "b.png": picture(2)}, [line, chinese, {"file_name": "gone.png"}])
    samples = lake.read_table("samples/raw/c-0000.parquet", SAMPLES)
    texts = lake.read_table("texts/raw/c-0000.parquet", TEXTS)
    first = samples.filter(pl.col("target_id") == content_id(picture(1))).row(0, named=True)
    assert (first["group_id"], first["split"], first["license"], first["task"]) == (
        "g",
        "heldout",
        "MIT",
        "t2i",
    )
    second = samples.filter(pl.col("target_id") == content_id(picture(2))).row(0, named=True)
    assert (second["category"], second["license"]) == ("nature", "CC0")
    said = dict(texts.select("sample_id", "text").rows())
    assert said == {first["sample_id"]: "a cat", second["sample_id"]: "一只猫"}
    assert sorted(texts.select("text", "lang").rows()) == [("a cat", "en"), ("一只猫", "zh")]


def test_equal_bytes_are_two_records_of_one_image_in_one_group_and_one_sample(lake: Lake):
    ingest(lake, {"a.png": picture(1), "x/b.png": picture(1)})
    records = lake.read_table("records/c-0000.parquet", RECORDS)
    assert records["record_id"].n_unique() == 2
    assert records["image_id"].n_unique() == records["group_id"].n_unique() == 1
    assert records["split"].n_unique() == 1
    assert lake.read_table("samples/raw/c-0000.parquet").height == 1


def test_a_shard_is_closed_when_it_is_full(lake: Lake):
    large = {f"{n}.bmp": picture(n, side=500, format="BMP") for n in range(3)}  # 750 kB each
    output = ingest(lake, large)
    shards = [path for path in output.files if path.startswith("images/")]
    assert [shard[: len("images/c-0000/shard-000")] for shard in shards] == [
        "images/c-0000/shard-000",
        "images/c-0000/shard-001",
    ]
    assert sum(len(list(iterate_shard(lake, shard))) for shard in shards) == 3


def test_other_images_never_lie_in_a_shard_of_the_same_name(lake: Lake):
    """Measures are kept by the shard's name: images that a wider limit lets in must not pass for measured."""
    files = {"a.png": picture(1), "large.png": picture(2) + bytes(3 * 1024**2)}
    (before,) = [path for path in ingest(lake, files).files if path.startswith("images/")]
    (batch,) = discover_batches(lake, CONFIG)
    wider = CONFIG.model_copy(update={"probe": CONFIG.probe.model_copy(update={"file_mib": 8})})
    output = ingest_batch(lake, wider, batch, workers=1, progress=silent)
    after = [path for path in output.files if path.startswith("images/")]
    assert before in after  # the first image stays where it is
    assert len(after) == 2
    assert lake.list("images") == sorted(after)


def limited(**changes: int) -> CorporaConfig:
    return CONFIG.model_copy(update={"probe": CONFIG.probe.model_copy(update=changes)})


def test_a_step_names_the_limits_that_stopped_its_files(lake: Lake):
    output = ingest(lake, {"a.png": picture(1), "large.png": picture(2) + bytes(3 * 1024**2)})
    assert output.stopped_by == {"corpora.probe.file_mib": 2}


def test_a_lowered_limit_changes_no_stored_outcome(lake: Lake):
    large = picture(2) + bytes(3 * 1024**2 // 2)
    ingest(lake, {"a.png": picture(1), "broken.png": picture(3)[:40], "large.png": large})
    before = lake.read_table("records/c-0000.parquet", RECORDS)
    assert before["error"].null_count() == 2
    (batch,) = discover_batches(lake, CONFIG)
    output = ingest_batch(lake, limited(file_mib=1), batch, workers=1, progress=silent)
    assert lake.read_table("records/c-0000.parquet", RECORDS).equals(before)
    assert output.stopped_by == {}


def test_a_file_over_the_limit_is_refused_unread_and_one_that_is_gone_is_named(lake: Lake):
    lake.write_bytes("inbox/c/large.png", picture(1) + bytes(3 * 1024**2))
    lake.write_bytes("inbox/c/gone.png", picture(2))
    (batch,) = discover_batches(lake, CONFIG)
    lake.delete("inbox/c/gone.png")
    ingest_batch(lake, CONFIG, batch, workers=1, progress=silent)
    records = lake.read_table("records/c-0000.parquet", RECORDS)
    assert records["image_id"].null_count() == 2
    assert records["error"].to_list() == [
        "the file cannot be read: FileNotFoundError",
        "not_measured: limit file_mib: the file is larger than 2 MiB",
    ]
    assert lake.list("images") == []


def test_ingesting_twice_gives_equal_bytes(lake: Lake):
    output = ingest(lake, {"a.png": picture(1), "b.jpg": picture(2, format="JPEG"), "c": b"x"})
    before = {path: lake.read_bytes(path) for path in output.files}
    again = ingest(lake, {})
    assert {path: lake.read_bytes(path) for path in again.files} == before


def test_the_split_of_a_group_is_stable_and_has_its_share():
    splits = [split_of(f"group {number}", 0.3) for number in range(2000)]
    assert 0.26 < splits.count("heldout") / 2000 < 0.34
    assert split_of("group 7", 0.3) == splits[7]
    # a larger share only adds groups to the held-out part
    assert all(split_of(f"group {n}", 0.5) == "heldout" for n in range(2000) if splits[n] == "heldout")


def test_the_summary_counts_what_a_batch_brought(lake: Lake):
    ingest(
        lake,
        {"a.png": picture(1), "b.png": picture(2)},
        [{"file_name": "a.png", "text": "t", "split": "train"}],
    )
    output = summarize_samples(lake, "c-0000")
    assert output.rows == 2
    assert sum(row["len"] for row in output.facts["samples"]) == 2
    assert output.facts["texts"] == 1


def test_a_rotated_jpeg_keeps_its_orientation_beside_its_bytes(lake: Lake):
    exif = Image.Exif()
    exif[274] = 6
    output = ingest(lake, {"a.jpg": picture(1, format="JPEG", exif=exif)})
    table = pl.read_parquet(lake.uri(output.files[0]), columns=["orientation"])
    assert table["orientation"].to_list() == [6]


@pytest.mark.parametrize("folder", ["formats", "corrupt"])
def test_real_odd_and_hostile_files_all_end_in_a_record(lake: Lake, shared_data, folder):
    root = shared_data(folder)
    config = CONFIG.model_copy(
        update={"corpora": (CorpusConfig(name="c", path=str(root), reader="folder", license="-"),)}
    )
    (batch,) = discover_batches(lake, config)
    ingest_batch(lake, config, batch, workers=1, progress=silent)
    records = lake.read_table("records/c-0000.parquet", RECORDS)
    assert records.height == batch.units.height
    assert (records["image_id"].is_null() == records["error"].is_not_null()).all()


def ingest_all(lake: Lake, config: CorporaConfig = CONFIG, workers: int = 1) -> dict[str, tuple[str, ...]]:
    """Ingests every batch that changed, as a run does; returns the files of those."""
    made = {}
    for batch in discover_batches(lake, config):
        if (batch.name, batch.files()) not in seen_of(lake):
            output = ingest_batch(lake, config, batch, workers=workers, progress=silent)
            seen_of(lake).add((batch.name, batch.files()))
            made[batch.name] = output.files
    return made


SEEN: dict[str, set[tuple[str, str]]] = {}


def seen_of(lake: Lake) -> set[tuple[str, str]]:
    return SEEN.setdefault(lake.root, set())


def say(lake: Lake, *lines: dict) -> None:
    lake.write_bytes("inbox/c/metadata.jsonl", "\n".join(map(json.dumps, lines)).encode())


def records_of(lake: Lake) -> pl.DataFrame:
    return lake.read_tables("records", RECORDS).sort("path")


def test_a_changed_licence_reaches_the_tables(lake: Lake):
    lake.write_bytes("inbox/c/a.png", picture(1))
    lake.write_bytes("inbox/c/b.png", picture(2))
    say(lake, {"file_name": "a.png", "license": "MIT"})
    ingest_all(lake)
    say(lake, {"file_name": "a.png", "license": "CC-BY-NC"})
    assert sorted(ingest_all(lake)) == ["c-0000", "c-0001"]
    assert records_of(lake).select("path", "license").rows() == [("a.png", "CC-BY-NC"), ("b.png", "CC0")]
    samples = lake.read_tables("samples/raw", SAMPLES)
    assert sorted(samples["license"]) == ["CC-BY-NC", "CC0"]


def test_a_file_that_left_is_in_no_table_and_no_other_file_is_read_again(lake: Lake, monkeypatch):
    for number, name in enumerate("abc"):
        lake.write_bytes(f"inbox/c/{name}.png", picture(number))
    before = ingest_all(lake)["c-0000"]
    lake.delete("inbox/c/b.png")

    def read(root, path):
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr("assets.corpora.readers.files.read_corpus_file", read)
    after = ingest_all(lake)["c-0000"]
    assert records_of(lake)["path"].to_list() == ["a.png", "c.png"]
    assert lake.read_tables("samples/raw", SAMPLES).height == 2
    assert before == after  # the shard stays, so nothing is measured again


def test_a_file_of_other_content_is_another_image(lake: Lake):
    lake.write_bytes("inbox/c/a.png", picture(1))
    ingest_all(lake)
    lake.write_bytes("inbox/c/a.png", picture(2))
    ingest_all(lake)
    assert records_of(lake).select("path", "image_id").rows() == [("a.png", content_id(picture(2)))]


def test_a_half_copied_file_is_whole_in_the_end(lake: Lake):
    whole = picture(1, side=64, format="JPEG")
    lake.write_bytes("inbox/c/a.jpg", whole[: len(whole) // 2])
    ingest_all(lake)
    assert records_of(lake)["error"].null_count() == 0
    lake.write_bytes("inbox/c/a.jpg", whole)
    ingest_all(lake)
    assert records_of(lake).select("path", "image_id", "error").rows() == [("a.jpg", content_id(whole), None)]


def test_a_renamed_file_is_the_same_image_in_the_same_split(lake: Lake):
    lake.write_bytes("inbox/c/a.png", picture(1))
    ingest_all(lake)
    before = records_of(lake).row(0, named=True)
    lake.delete("inbox/c/a.png")
    lake.write_bytes("inbox/c/b.png", picture(1))
    say(lake, {"file_name": "b.png", "text": "x"})
    ingest_all(lake)
    (after,) = records_of(lake).rows(named=True)
    assert after["path"] == "b.png"
    assert [after[name] for name in ("image_id", "group_id", "split")] == [
        before[name] for name in ("image_id", "group_id", "split")
    ]


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_change_no_result(tmp_path, workers):
    lakes = [Lake(str(tmp_path / name)) for name in ("one", "many")]
    for lake, count in zip(lakes, (1, workers), strict=True):
        for number in range(6):
            lake.write_bytes(f"inbox/c/{number}.bmp", picture(number, side=500, format="BMP"))
        lake.write_bytes("inbox/c/broken.png", b"no image")
        ingest_all(lake, workers=count)
    first, second = ({path: lake.read_bytes(path) for path in lake.list("")} for lake in lakes)
    versions = ("batches/", "probes/")  # hold the times of files
    assert {path: data for path, data in first.items() if not path.startswith(versions)} == {
        path: data for path, data in second.items() if not path.startswith(versions)
    }
    assert len([path for path in first if path.startswith("images/")]) > 1


def test_a_killed_ingest_goes_on_with_the_chunk_in_hand(lake: Lake, monkeypatch):
    for number in range(4):
        lake.write_bytes(f"inbox/c/{number}.bmp", picture(number, side=800, format="BMP"))  # one chunk each
    (batch,) = discover_batches(lake, CONFIG)
    load, read = files_module.read_corpus_file, []

    def killed(root, path):
        read.append(path)
        if len(read) == 3:
            raise KeyboardInterrupt
        return load(root, path)

    monkeypatch.setattr(files_module, "read_corpus_file", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest_batch(lake, CONFIG, batch, workers=1, progress=silent)
    read[:] = ["", "", "", ""]
    ingest_batch(lake, CONFIG, batch, workers=1, progress=silent)
    assert read[4:] == ["2.bmp", "3.bmp"]
    assert records_of(lake).height == 4
    assert lake.list("ingesting") == []
