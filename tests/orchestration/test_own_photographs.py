"""A corpus of one's own: real photographs and hostile files in a folder, no truth, the whole data job."""

import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tiny import write_tiny_profile
from tiny_run import TinyRun, emberline

from assets.corpora.demo.photographs import built_in_photographs

CROP = 160


def write_photographs(folder: Path) -> int:
    """Writes crops of the photographs that the libraries carry, as a camera's folders would hold them."""
    written = 0
    for photograph in built_in_photographs():
        place = folder / "camera" / photograph.path.stem
        place.mkdir(parents=True)
        with Image.open(photograph.path) as opened:
            picture = opened.convert("RGB")
        for left in range(0, picture.width - CROP, CROP)[:3]:
            crop = picture.crop((left, 40, left + CROP, 40 + CROP))
            crop.save(place / f"{left:04d}.jpg", quality=92)
            written += 1
    return written


def write_hostile_files(folder: Path) -> set[str]:
    """Writes files that are no pictures, or not whole, or far larger than they look; returns their names."""
    whole = next(folder.rglob("*.jpg")).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "words.jpg").write_text("not a picture at all")
    (folder / "page.png").write_text("<html><script>alert(1)</script></html>")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", b""), chunk(b"IEND", b""))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return {"cut.jpg", "empty.png", "words.jpg", "page.png", "bomb.png"}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A home made by the data job from a folder, and the names of its hostile files."""
    base = tmp_path_factory.mktemp("own")
    folder = base / "photographs"
    written = write_photographs(folder)
    hostile = write_hostile_files(folder)
    corpus = {"name": "mine", "path": str(folder), "reader": "folder", "license": "own"}
    corpora = {"corpora": [corpus], "files_per_batch": 20, "heldout_share": 0.35}
    profile = write_tiny_profile(base / "own.yaml", name="own", demo=None, corpora=corpora)
    home = base / "home"
    done = emberline("run", "--job", "data", "--profile", str(profile), "--home", str(home))
    assert done.returncode == 0, done.stderr[-4000:]
    return TinyRun(profile, home, done.stderr), written, hostile


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_hostile_file_is_refused_with_a_reason_and_every_photograph_is_taken(own):
    run, written, hostile = own
    status = json.loads(run.emberline("status", "--json").stdout)
    assert {row["path"] for row in status["unreadable"]} == hostile
    assert all(row["error"] for row in status["unreadable"])
    ingest = status["funnel"][0]
    assert (ingest["in"], ingest["kept"]) == (written + len(hostile), written)
    assert "Traceback" not in run.said


@pytest.mark.slow
def test_without_a_truth_filters_are_not_scored_and_nothing_else_is_missing(own):
    run, _, _ = own
    status = json.loads(run.emberline("status", "--json").stdout)
    assert status["filters"] is None
    assert status["coverage"]
    assert status["evaluator"]
    assert status["stages"] is None
    shown = run.emberline("status").stdout
    assert "filters on the planted defects: not computed yet" in shown
    assert "training stages: not computed yet" in shown


@pytest.mark.slow
def test_new_photographs_are_a_new_batch_and_the_old_are_not_measured_again(own):
    run, _, _ = own
    folder = run.home.parent / "photographs"
    source = next((folder / "camera").rglob("*.jpg"))
    with Image.open(source) as picture:
        picture.rotate(90).save(folder / "new.jpg", quality=92)
    before = {path: path.stat().st_mtime_ns for path in (run.home / "measures").rglob("*.parquet")}
    done = run.emberline("run", "--select", "*measured")
    assert done.returncode == 0, done.stderr
    after = {path: path.stat().st_mtime_ns for path in (run.home / "measures").rglob("*.parquet")}
    assert {path: after[path] for path in before} == before
    assert after.keys() > before.keys()
