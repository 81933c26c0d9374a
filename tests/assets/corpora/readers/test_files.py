import os

import pytest

from assets.corpora.config import CorpusConfig
from assets.corpora.readers.files import (
    corpus_root,
    list_files,
    list_folder,
    read_corpus_file,
)
from assets.corpora.readers.reader import MissingCorpusError
from assets.lake.lake import Lake


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_every_file_is_listed_once_whatever_its_extension(tmp_path):
    write(tmp_path, {"b.jpg": b"1", "a/c.txt": b"22", "a/noext": b"", "metadata.jsonl": b""})
    listed = [(file.path, file.size) for file in list_files(str(tmp_path))[0]]
    assert listed == [("a/c.txt", 2), ("a/noext", 0), ("b.jpg", 1), ("metadata.jsonl", 0)]


def test_the_version_of_a_file_follows_its_changes(tmp_path):
    write(tmp_path, {"a.png": b"1", "b.png": b"1"})
    before = list_files(str(tmp_path))[0]
    os.utime(tmp_path / "a.png", (1, 1))
    after = list_files(str(tmp_path))[0]
    assert before[0].version != after[0].version
    assert before[1] == after[1]


def test_folders_may_be_nested_deeper_than_python_calls(tmp_path):
    folder = tmp_path
    for _ in range(1200):
        folder = folder / "d"
        folder.mkdir()
    (folder / "a").write_bytes(b"1")
    try:
        (file,) = list_files(str(tmp_path))[0]
    finally:  # pytest's own removal is a recursion
        (folder / "a").unlink()
        while folder != tmp_path:
            folder.rmdir()
            folder = folder.parent
    assert file.path == "d/" * 1200 + "a"


def test_hidden_files_and_folders_are_skipped(tmp_path):
    write(tmp_path, {".DS_Store": b"1", ".git/config": b"1", "seen.png": b"1"})
    assert [file.path for file in list_files(str(tmp_path))[0]] == ["seen.png"]


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
    assert [path for path, _ in refused] == ["escape", "escape.png"]
    assert "out of the folder" in refused[0][1]


def test_a_pipe_is_no_file(tmp_path):
    write(tmp_path, {"own.png": b"1"})
    os.mkfifo(tmp_path / "pipe.png")
    assert [file.path for file in list_files(str(tmp_path))[0]] == ["own.png"]


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
        list_files(str(tmp_path / "nowhere"))
    assert caught.value.root == str(tmp_path / "nowhere")


def test_a_bucket_is_read_like_a_folder(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({"/corpus/a/b.png": b"12", "/corpus/.hidden": b"1"})
    root = "memory://corpus"
    assert [(file.path, file.size) for file in list_files(root)[0]] == [("a/b.png", 2)]
    assert read_corpus_file(root, "a/b.png") == b"12"


def test_a_relative_corpus_lies_in_the_lake(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    corpus = CorpusConfig(name="c", path="inbox/c", reader="folder", license="CC0")
    assert corpus_root(lake, corpus) == lake.uri("inbox/c")
    assert corpus_root(lake, corpus.model_copy(update={"path": "/data/c"})) == "/data/c"
    assert corpus_root(lake, corpus.model_copy(update={"path": "s3://b/c"})) == "s3://b/c"
