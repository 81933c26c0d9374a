import json
from typing import NamedTuple

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image
from skimage import data

from assets.corpora.batches import discover_batches
from assets.corpora.config import CorporaConfig, CorpusConfig, DemoCorpusConfig, ProbeConfig
from assets.corpora.demo.corpus import TRUTH, make_demo_corpus
from assets.corpora.demo.defects import BROKEN, COPIES, DEGRADED
from assets.corpora.demo.photographs import EmptyCorpusError
from assets.corpora.ingest import ingest_batch
from assets.lake.ids import content_id, record_id
from assets.lake.lake import Lake
from assets.lake.schemas import RECORDS, TEXTS
from assets.lake.steps import StepOutput
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode
from models.common.progress import silent

PROBE = ProbeConfig(seconds=10, memory_mib=1024, file_mib=16)
CONFIG = DemoCorpusConfig(
    corpus="demo",
    images=None,
    seed=0,
    train_images=12,
    heldout_images=6,
    crop_side_min=88,
    crop_side_max=192,
    photograph_side=800,
    oblong_share=0.15,
    max_overlap=0.3,
    planted_per_defect=4,
    probe=PROBE,
)
CORPORA = CorporaConfig(
    corpora=(CorpusConfig(name="demo", path="inbox/demo", reader="folder", license="unknown"),),
    files_per_batch=64,
    shard_mib=64,
    heldout_share=0.25,
    probe=PROBE,
)
DEFECTS = {"exact_copy", "collage", *COPIES, *DEGRADED, *BROKEN}


def inbox(lake: Lake) -> dict[str, bytes]:
    return {path.removeprefix("inbox/demo/"): lake.read_bytes(path) for path in lake.list("inbox/demo")}


def metadata(files: dict[str, bytes]) -> dict[str, dict]:
    return {line["file_name"]: line for line in map(json.loads, files["metadata.jsonl"].splitlines())}


def from_folder(folder, **changes) -> DemoCorpusConfig:
    return CONFIG.model_copy(update={"images": folder, **changes})


def save(folder, name: str, pixels: np.ndarray) -> bytes:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


def cat(number: int, side: int = 100) -> np.ndarray:
    return np.roll(cv2.resize(data.chelsea()[:, 50:350], (side, side)), number * 7, axis=1) + np.uint8(number)


class Made(NamedTuple):
    lake: Lake
    output: StepOutput
    files: dict[str, bytes]
    truth: pl.DataFrame


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    lake = Lake(str(tmp_path_factory.mktemp("demo")))
    output = make_demo_corpus(lake, CONFIG, silent)
    return Made(lake, output, inbox(lake), lake.read_table("corpora/truth.parquet", TRUTH))


def test_the_inbox_is_an_image_folder_that_names_every_file(demo):
    assert set(metadata(demo.files)) == set(demo.files) - {"metadata.jsonl"}
    assert set(demo.output.files) == {f"inbox/demo/{name}" for name in demo.files} | {"corpora/truth.parquet"}
    for line in metadata(demo.files).values():
        assert line["license"] != "unknown"
        assert line["split"] in ("train", "heldout")


def test_every_defect_is_planted_as_often_as_asked_and_the_truth_says_where(demo):
    counts = dict(demo.truth.group_by("defect").len().rows())
    assert counts == dict.fromkeys(DEFECTS, CONFIG.planted_per_defect)
    for row in demo.truth.iter_rows(named=True):
        assert row["record_id"] == record_id("demo", row["path"])
        readable = row["defect"] not in ("truncated", "not_an_image")
        assert row["image_id"] == (content_id(demo.files[row["path"]]) if readable else None)


def test_clean_and_planted_files_are_all_there_is(demo):
    clean = set(metadata(demo.files)) - set(demo.truth["path"])
    assert len(clean) == CONFIG.train_images + CONFIG.heldout_images
    assert demo.output.facts["pictures"] == {"train": 12, "heldout": 6}
    assert demo.output.preview is not None
    assert len(demo.output.preview) <= 100_000


def test_a_copy_stays_in_the_group_and_split_of_its_parent(demo):
    known = {record_id("demo", path): line for path, line in metadata(demo.files).items()}
    copies = demo.truth.filter(pl.col("defect").is_in(["exact_copy", "truncated", *COPIES]))
    assert copies["parent_record_id"].null_count() == 0
    for row in copies.iter_rows(named=True):
        for key in ("group_id", "split", "license"):
            assert known[row["record_id"]][key] == known[row["parent_record_id"]][key]
    degraded = demo.truth.filter(pl.col("defect").is_in(["flat", "collage", *DEGRADED]))
    assert degraded["parent_record_id"].null_count() == degraded.height


def test_an_exact_copy_has_the_bytes_of_its_parent(demo):
    by_record = {record_id("demo", path): data_ for path, data_ in demo.files.items()}
    exact = demo.truth.filter(pl.col("defect") == "exact_copy")
    for row in exact.iter_rows(named=True):
        assert by_record[row["record_id"]] == by_record[row["parent_record_id"]]


def test_both_splits_get_defects_and_no_group_is_in_both(demo):
    lines = metadata(demo.files)
    splits = {lines[path]["split"] for path in demo.truth["path"]}
    assert splits == {"train", "heldout"}
    groups = {
        split: {line["group_id"] for line in lines.values() if line["split"] == split} for split in splits
    }
    assert not groups["train"] & groups["heldout"]


def test_broken_files_are_unreadable_and_all_others_readable(demo):
    broken = set(demo.truth.filter(pl.col("image_id").is_null())["path"])
    for path, data_ in demo.files.items():
        if path in broken:
            with pytest.raises(UnreadableImageError):
                decode(data_)
        elif path != "metadata.jsonl":
            decode(data_)


def test_making_it_again_gives_equal_bytes_and_clears_what_was_there(demo, tmp_path):
    lake = Lake(str(tmp_path / "other"))
    lake.write_bytes("inbox/demo/left-over.png", b"old")
    lake.write_json("batches/demo-0000.json", {"batch": "demo-0000", "corpus": "demo", "files": []})
    lake.write_bytes("records/demo-0000.parquet", b"old")
    make_demo_corpus(lake, CONFIG, silent)
    assert inbox(lake) == demo.files
    assert lake.list("batches") == lake.list("records") == []


def test_it_ingests_with_its_texts_and_reasons(demo):
    for batch in discover_batches(demo.lake, CORPORA):
        ingest_batch(demo.lake, CORPORA, batch, workers=1, progress=silent)
    records = demo.lake.read_tables("records", RECORDS)
    assert records.height == demo.output.rows
    unreadable = records.filter(pl.col("image_id").is_null())
    assert set(unreadable["path"]) == set(demo.truth.filter(pl.col("image_id").is_null())["path"])
    texts = demo.lake.read_tables("texts/raw", TEXTS)
    assert texts["text"].str.starts_with("a photograph of").all()
    joined = records.join(demo.truth, on="record_id", how="inner")
    assert (joined["image_id"] == joined["image_id_right"]).drop_nulls().all()


def test_a_folder_is_taken_with_its_bytes_unchanged(lake: Lake, tmp_path):
    folder = tmp_path / "photos"
    originals = {f"photographs/sub/{n}.png": save(folder, f"sub/{n}.png", cat(n)) for n in range(30)}
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "link.png").symlink_to(tmp_path / "elsewhere.png")
    save(tmp_path, "elsewhere.png", cat(99))
    output = make_demo_corpus(lake, from_folder(folder), silent)
    files = inbox(lake)
    assert {name: files.get(name) for name in originals} == originals
    assert files["photographs/notes.txt"] == b"no picture"
    assert not [name for name in files if "hidden" in name or "link" in name]
    assert output.facts["unreadable"] == [{"path": "notes.txt"}]
    assert [row["path"] for row in output.facts["left_out"]] == ["link.png"]


def test_a_large_folder_is_sampled_the_same_way_each_time(lake: Lake, tmp_path):
    folder = tmp_path / "photos"
    for n in range(90):
        save(folder, f"{n}.png", cat(n, side=40))
    wanted = CONFIG.train_images + CONFIG.heldout_images + CONFIG.planted_per_defect * len(DEGRADED)
    output = make_demo_corpus(lake, from_folder(folder), silent)
    assert output.facts["photographs"] == wanted < 90
    before = inbox(lake)
    other = Lake(str(tmp_path / "other"))
    make_demo_corpus(other, from_folder(folder), silent)
    assert inbox(other) == before
    third = Lake(str(tmp_path / "third"))
    make_demo_corpus(third, from_folder(folder, seed=1), silent)
    assert set(inbox(third)) != set(before)


def test_three_small_pictures_make_a_corpus(lake: Lake, tmp_path):
    for n in range(3):
        save(tmp_path / "photos", f"{n}.jpg", cat(n, side=90))
    make_demo_corpus(lake, from_folder(tmp_path / "photos"), silent)
    lines = metadata(inbox(lake))
    assert {line["split"] for line in lines.values()} == {"train", "heldout"}
    truth = lake.read_table("corpora/truth.parquet", TRUTH)
    assert {"exact_copy", "collage", "truncated"} <= set(truth["defect"])


@pytest.mark.parametrize("files", [{}, {"a.txt": b"text"}, {".hidden.png": b"x"}])
def test_a_folder_without_pictures_says_so_and_how_to_mend_it(lake: Lake, tmp_path, files):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, data_ in files.items():
        (folder / name).write_bytes(data_)
    with pytest.raises(EmptyCorpusError) as caught:
        make_demo_corpus(lake, from_folder(folder), silent)
    assert caught.value.folder == folder
    assert "--images" in str(caught.value)


def test_real_photographs_with_hostile_files_among_them(lake: Lake, shared_data, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "kodak").mkdir()
    for source in sorted(shared_data("photos/kodak").iterdir()):
        (folder / "kodak" / source.name).write_bytes(source.read_bytes())
    for source in sorted(path for path in shared_data("corrupt").rglob("*") if path.is_file()):
        (folder / source.name).write_bytes(source.read_bytes())
    output = make_demo_corpus(lake, from_folder(folder), silent)
    unreadable = {row["path"] for row in output.facts["unreadable"]}
    assert {"truncated_jpeg.jpg", "psd-oob-write.psd"} <= unreadable
    for batch in discover_batches(lake, CORPORA):
        ingest_batch(lake, CORPORA, batch, workers=1, progress=silent)
    records = lake.read_tables("records", RECORDS)
    reasons = dict(records.filter(pl.col("error").is_not_null()).select("path", "error").rows())
    assert {f"photographs/{path}" for path in unreadable} <= set(reasons)
    assert records.filter(pl.col("path").str.contains("kodak")).height == 18
