import io
import os
import re
import signal

import numpy as np
import pytest
from judged_run import run
from markupsafe import escape
from PIL import Image
from toy_suite import picture

from benchmarks.perf.stored_run import store_run, write_suite
from benchmarks.report import samples as report_samples
from benchmarks.report.samples import shortened
from benchmarks.suites import thumbnails
from benchmarks.suites.thumbnails import (
    LARGE,
    DecoderDiedError,
    ThumbnailCache,
    decoding_workers,
    fitted_webp,
)
from models.common.canonical import UnreadableImageError
from models.common.pixels import encode_png
from models.common.seeding import numpy_generator

WIDE = encode_png(picture("wide", 300, 600))


def test_a_thumbnail_is_small_upright_and_found_by_what_it_shows(tmp_path):
    store = ThumbnailCache(tmp_path / "thumbnails")
    digest = store.add(WIDE)
    pixels = store.read(digest)
    assert pixels.shape == (LARGE // 2, LARGE, 3)
    small = np.asarray(Image.open(io.BytesIO(WIDE)).resize((LARGE, LARGE // 2), Image.Resampling.BOX))
    assert np.abs(pixels.astype(int) - small).mean() < 4


def test_a_file_is_decoded_once(tmp_path, monkeypatch):
    store = ThumbnailCache(tmp_path)
    digest = store.add(WIDE)
    monkeypatch.setattr(thumbnails, "thumbnail_of", lambda data: pytest.fail("decoded again"))
    assert store.add(WIDE) == ThumbnailCache(tmp_path).add(WIDE) == digest
    assert len(list(tmp_path.iterdir())) == 1  # no unfinished file is left


def test_a_file_that_does_not_decode_has_none(tmp_path):
    store = ThumbnailCache(tmp_path)
    for broken in (WIDE[:-30], b"no picture"):
        with pytest.raises(UnreadableImageError):
            store.add(broken)
    assert list(tmp_path.iterdir()) == []


def test_many_files_are_decoded_in_processes_with_the_same_bytes(tmp_path, monkeypatch):
    with decoding_workers(thumbnails.MANY - 1) as workers:
        assert workers is None
    monkeypatch.setattr(thumbnails, "MANY", 1)
    here = ThumbnailCache(tmp_path / "here")
    with decoding_workers(1) as workers:
        there = ThumbnailCache(tmp_path / "there", workers)
        assert there.add(WIDE) == here.add(WIDE)
        with pytest.raises(UnreadableImageError, match="pixels do not decode"):
            there.add(WIDE[:-30])
    (first,), (second,) = (tmp_path / "here").iterdir(), (tmp_path / "there").iterdir()
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_the_death_of_a_decoder_is_told_and_not_taken_for_a_broken_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails, "MANY", 1)
    with decoding_workers(1) as workers:
        assert workers is not None
        store = ThumbnailCache(tmp_path, workers)
        os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(DecoderDiedError, match="Every reply so far is kept"):
            store.add(WIDE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("max_bytes", [200, 1500, 12_000, 10**6])
def test_a_picture_of_a_page_keeps_to_its_bytes(max_bytes):
    noise = numpy_generator(0, "noise").integers(0, 256, (200, 256, 3), dtype=np.uint8)
    data = fitted_webp(noise, side=256, max_bytes=max_bytes)
    with Image.open(io.BytesIO(data)) as image:
        assert max(image.size) <= 256
        assert len(data) <= max_bytes or max(image.size) <= 16


@pytest.mark.parametrize("sign", ["a", "字", "&", "\N{GRINNING FACE}"])
def test_replies_take_no_more_of_a_page_than_they_are_given(sign):
    text = sign * 3000
    for room in (100, 864, 6000):
        shown = shortened(text, room)
        assert len(escape(shown).encode()) <= room + 40
        assert shown.endswith("… (3,000 characters)")
    assert shortened(sign * 20, 100) == sign * 20


def test_a_page_of_many_long_replies_keeps_to_the_budget_of_its_text(tmp_path, monkeypatch):
    monkeypatch.setattr(report_samples, "TEXT_BYTES", 34 * 300)
    names = write_suite(tmp_path / "data", 17, side=32)
    places = store_run(tmp_path, names, models=2, side=32, replies=True)
    finished = [word for name, place in places.items() for word in ("--outputs", f"{name}={place}")]
    stored = tmp_path / "stored" / "replies.jsonl"
    run("--suite", "rededit", "--data", tmp_path / "data", *finished, "--judge", f"replay:{stored}",
        "--out", tmp_path / "run")  # fmt: skip
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    replies = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert len(replies) == 34
    assert all("characters)" in one and len(one) > 100 for one in replies)
    assert sum(len(one.encode()) for one in replies) < 34 * (300 + 40)
