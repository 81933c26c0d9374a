import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.corpora.config import CorpusConfig
from assets.corpora.readers.folder import (
    CorpusFile,
    FileMetadata,
    MissingCorpusError,
    _parse_line,
    corpus_root,
    list_corpus,
    list_folder,
    read_corpus_file,
    read_metadata,
)
from assets.lake.lake import Lake


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_every_file_is_listed_once_whatever_its_extension(tmp_path):
    write(tmp_path, {"b.jpg": b"1", "a/c.txt": b"22", "a/noext": b"", "metadata.jsonl": b""})
    expected = [CorpusFile("a/c.txt", 2), CorpusFile("a/noext", 0), CorpusFile("b.jpg", 1)]
    assert list_corpus(str(tmp_path)) == expected


def test_hidden_files_and_folders_are_skipped(tmp_path):
    write(tmp_path, {".DS_Store": b"1", ".git/config": b"1", "seen.png": b"1"})
    assert [file.path for file in list_corpus(str(tmp_path))] == ["seen.png"]


def test_links_that_leave_the_folder_are_refused_and_named(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    write(outside, {"secret.png": b"1", "more/x.png": b"1"})
    write(folder, {"own.png": b"1"})
    (folder / "escape.png").symlink_to(outside / "secret.png")
    (folder / "escape").symlink_to(outside / "more")
    (folder / "inside.png").symlink_to(folder / "own.png")
    (folder / "loop").symlink_to(folder)
    files, refused = list_folder(folder)
    assert [file.path for file in files] == ["inside.png", "own.png"]
    assert [path for path, _ in refused] == ["escape.png"]
    assert "out of the folder" in refused[0][1]


def test_a_pipe_is_no_file(tmp_path):
    write(tmp_path, {"own.png": b"1"})
    os.mkfifo(tmp_path / "pipe.png")
    assert [file.path for file in list_corpus(str(tmp_path))] == ["own.png"]


def test_a_name_that_no_table_can_hold_is_refused_and_named(tmp_path):
    write(tmp_path, {"own.png": b"1"})
    (tmp_path / os.fsdecode(b"\xff\xfe.png")).write_bytes(b"1")
    (tmp_path / "two\nlines.png").write_bytes(b"1")
    files, refused = list_folder(tmp_path)
    assert [file.path for file in files] == ["own.png"]
    assert len(refused) == 2
    assert all(name.isascii() for name, _ in refused)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingCorpusError) as caught:
        list_corpus(str(tmp_path / "nowhere"))
    assert caught.value.root == str(tmp_path / "nowhere")


def test_a_bucket_is_read_like_a_folder(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({"/corpus/a/b.png": b"12", "/corpus/.hidden": b"1", "/corpus/metadata.jsonl": b""})
    root = "memory://corpus"
    assert list_corpus(root) == [CorpusFile("a/b.png", 2)]
    assert read_corpus_file(root, "a/b.png") == b"12"


def test_metadata_is_joined_by_name_and_may_say_little(tmp_path):
    lines = [{"file_name": "a.png", "text": "a cat", "split": "heldout"}, {"file_name": "b.png", "other": 1}]
    text = "\ufeff" + "\n\n".join(map(json.dumps, lines))
    write(tmp_path, {"metadata.jsonl": text.encode()})
    metadata, broken = read_metadata(str(tmp_path))
    assert broken == []
    assert (metadata["a.png"].text, metadata["a.png"].split) == ("a cat", "heldout")
    assert metadata["b.png"].license is None


@pytest.mark.parametrize(
    "line", ["{", '"text"', "[1]", '{"text": "x"}', '{"file_name": 3}', '{"file_name": "a", "split": "test"}']
)
def test_a_line_that_is_no_metadata_costs_itself_and_is_named_with_its_number(tmp_path, line):
    lines = ['{"file_name": "ok.png"}', line, '{"file_name": "also.png"}', ""]
    write(tmp_path, {"metadata.jsonl": "\n".join(lines).encode()})
    metadata, broken = read_metadata(str(tmp_path))
    assert sorted(metadata) == ["also.png", "ok.png"]
    assert [one.line for one in broken] == [2]
    assert broken[0].reason


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_a_text_may_hold_any_other_line_separator(tmp_path, separator):
    text = f"a cat{separator}on a mat"
    line = json.dumps({"file_name": "a.png", "text": text}, ensure_ascii=False)
    write(tmp_path, {"metadata.jsonl": f"{line}\r\n".encode()})
    metadata, broken = read_metadata(str(tmp_path))
    assert broken == []
    assert metadata["a.png"].text == text


@given(st.text())
def test_any_line_is_metadata_or_has_a_reason(line):
    parsed = _parse_line(line)
    assert isinstance(parsed, FileMetadata) or parsed


def test_a_relative_corpus_lies_in_the_lake(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    corpus = CorpusConfig(name="c", path="inbox/c", reader="folder", license="CC0")
    assert corpus_root(lake, corpus) == lake.uri("inbox/c")
    assert corpus_root(lake, corpus.model_copy(update={"path": "/data/c"})) == "/data/c"
    assert corpus_root(lake, corpus.model_copy(update={"path": "s3://b/c"})) == "s3://b/c"
