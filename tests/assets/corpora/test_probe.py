import io
import struct
import zlib

import pytest
import skimage.data
from PIL import Image

from assets.corpora import probe as probe_module
from assets.corpora.probe import decode_requests, image_probe

HOSTILE_DECODER = """
import os, signal
import models.common.pixels
honest = models.common.pixels.decode
def decode(data, long_side=None):
    if data == b"hang":
        while True: pass
    if data == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"exit":
        os._exit(7)
    if data == b"print":
        os.write(1, b"null\\n")
    return honest(data, long_side)
models.common.pixels.decode = decode
"""


def picture(size=(20, 10), **save) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, format=save.pop("format", "PNG"), **save)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int, colour_type: int = 0, channels: int = 1) -> bytes:
    """A valid PNG of one value: some kilobytes that decode to width x height pixels."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + width * channels)
    body = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture
def hostile_decoders(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(HOSTILE_DECODER)
    monkeypatch.syspath_prepend(tmp_path)


def test_an_image_that_hangs_or_kills_its_decoder_is_the_only_one_marked(hostile_decoders):
    files = [picture(), b"hang", picture(), b"crash", b"exit", picture()]
    with image_probe(seconds=1, memory_mib=1024) as probe:
        reasons = [probe(data) for data in files]
    assert reasons[0] is reasons[2] is reasons[5] is None
    assert reasons[1] == "not_measured: limit seconds: decoding took longer than 1 s"
    assert reasons[3] == "decoding killed its process (SIGSEGV)"
    assert reasons[4] == "decoding ended its process (exit status 7)"


def test_what_a_decoder_prints_does_not_pass_for_a_reply(hostile_decoders):
    with image_probe(seconds=2, memory_mib=1024) as probe:
        assert probe(b"print") is not None
        assert probe(picture()) is None


def test_a_header_that_promises_too_many_pixels_is_refused_before_decoding():
    with image_probe(seconds=5, memory_mib=1024) as probe:
        reason = probe(png_bomb(20_000, 4_000))
        assert reason is not None
        assert "20000x4000" in reason


def test_an_image_that_needs_too_much_memory_is_marked_and_the_next_one_is_served():
    bomb = png_bomb(7_900, 7_900, colour_type=6, channels=4)  # RGBA: 250 MB, thrice that to lay it on white
    assert len(bomb) < 1_000_000
    with image_probe(seconds=30, memory_mib=700) as probe:
        reason = probe(bomb)
        assert reason is not None
        assert "memory" in reason or "killed" in reason
        assert probe(picture()) is None


def test_one_process_serves_many_images(monkeypatch):
    started = []
    start = probe_module._start
    monkeypatch.setattr(probe_module, "_start", lambda *limits: started.append(1) or start(*limits))
    with image_probe(seconds=5, memory_mib=1024) as probe:
        assert [probe(data) for data in (picture(), b"", b"no image", picture(format="WEBP"))][::3] == [
            None,
            None,
        ]
    assert len(started) == 1


def test_a_broken_file_gets_the_reason_of_the_decoder():
    whole = picture((200, 200), format="JPEG")
    requests = b"".join(struct.pack(">Q", len(data)) + data for data in (whole, whole[: len(whole) // 2]))
    replies = io.BytesIO()
    decode_requests(io.BytesIO(requests), replies, seconds=5)
    first, second = replies.getvalue().splitlines()
    assert first == b"null"
    assert b"truncated" in second


def test_real_hostile_files_never_end_the_probe(shared_data):
    folder = shared_data("corrupt")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with image_probe(seconds=20, memory_mib=1536) as probe:
        reasons = {path.name: probe(path.read_bytes()) for path in files}
        assert probe(picture()) is None
    assert len(reasons) >= 60
    assert reasons["truncated_jpeg.jpg"] is not None
    assert reasons["psd-oob-write.psd"] is not None


def test_a_cut_jpeg_that_decodes_is_damaged():
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(buffer, "JPEG")
    whole = buffer.getvalue()
    with image_probe(seconds=20, memory_mib=1024) as probe:
        assert probe(whole) is None
        assert str(probe(whole[: len(whole) // 2] + b"\xff\xd9")).startswith("damaged: ")
