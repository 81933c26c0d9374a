"""The folder reader: the files of a corpus and their `metadata.jsonl` (Hugging Face imagefolder)."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from assets.corpora.config import CorpusConfig
from assets.lake.ids import digest
from assets.lake.lake import Lake, is_local, open_root

METADATA_FILE = "metadata.jsonl"


class CorpusError(ValueError):
    """A corpus cannot be read as the profile describes it."""


class MissingCorpusError(CorpusError):
    """The folder or bucket prefix of a corpus does not exist.

    Attributes:
        root: its path or address.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        super().__init__(f"{root} is not a folder. Give the path of a folder that holds image files.")


class BrokenLine(NamedTuple):
    """A line of `metadata.jsonl` that cannot be used: its number, from 1, and the reason."""

    line: int
    reason: str


class CorpusFile(NamedTuple):
    """One file of a corpus: its path inside the corpus, with forward slashes, and its size in bytes."""

    path: str
    size: int


class FileMetadata(BaseModel, frozen=True, extra="ignore"):
    """The fields that a line of `metadata.jsonl` may have; those that are missing are null."""

    file_name: str
    text: str | None = None
    license: str | None = None
    group_id: str | None = None
    split: Literal["train", "heldout"] | None = None
    category: str | None = None
    url: str | None = None


def corpus_root(lake: Lake, corpus: CorpusConfig) -> str:
    """Returns the path or address of the corpus; a relative path is resolved inside the lake."""
    absolute = not is_local(corpus.path) or Path(corpus.path).is_absolute()
    return corpus.path if absolute else lake.uri(corpus.path)


def list_corpus(root: str) -> list[CorpusFile]:
    """Returns the files below a folder or bucket prefix, sorted by path, without hidden files and metadata.

    Raises:
        MissingCorpusError: there is no such folder.
    """
    if is_local(root):
        files, _ = list_folder(Path(root))
        return [file for file in files if file.path != METADATA_FILE]
    filesystem, top = open_root(root)
    if not filesystem.exists(top):
        raise MissingCorpusError(root)
    prefix = top.rstrip("/") + "/"
    details = filesystem.find(top, detail=True)
    assert isinstance(details, dict)
    files = [CorpusFile(str(name).removeprefix(prefix), int(info["size"])) for name, info in details.items()]
    return sorted(file for file in files if not _is_hidden(file.path) and file.path != METADATA_FILE)


def list_folder(root: Path) -> tuple[list[CorpusFile], list[tuple[str, str]]]:
    """Returns the regular files of a local folder, sorted, and (name, reason) of each refused entry.

    Links to folders are not followed, so cyclic links do no harm. Hidden files and folders are skipped.

    Raises:
        MissingCorpusError: there is no such folder.
    """
    if not root.is_dir():
        raise MissingCorpusError(str(root))
    top = root.resolve()
    files, refused = [], []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(top).as_posix()
            if name.startswith("."):
                continue
            if not path.resolve().is_relative_to(top):
                refused.append((relative, "a link that leads out of the folder"))
            elif not relative.isprintable():  # includes names that are not UTF-8, which no table can store
                refused.append((ascii(relative), "its name holds characters that cannot be printed"))
            elif path.is_file():  # neither a pipe nor a device, which would block the reader
                files.append(CorpusFile(relative, path.stat().st_size))
    return sorted(files), sorted(refused)


def folder_digest(root: Path) -> str | None:
    """Returns a digest of the names, sizes and times of the files in a folder; None if it does not exist."""
    if not root.is_dir():
        return None
    files, _ = list_folder(root)
    return digest([[file.path, file.size, (root / file.path).stat().st_mtime_ns] for file in files])


def read_corpus_file(root: str, path: str) -> bytes:
    """Returns the bytes of a file of a corpus.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    filesystem, top = open_root(root)
    data = filesystem.cat_file(f"{top.rstrip('/')}/{path}")
    assert isinstance(data, bytes)
    return data


def read_metadata(root: str) -> tuple[Mapping[str, FileMetadata], Sequence[BrokenLine]]:
    """Returns the metadata of each file by name, and the lines that cannot be used; none without a file.

    Each line must be a JSON object with `file_name` (text) and, optionally, the other fields of
    `FileMetadata`. A broken line costs itself alone. Lines that name missing files are harmless: files are
    found by listing the folder, never by these names.
    """
    filesystem, top = open_root(root)
    path = f"{top.rstrip('/')}/{METADATA_FILE}"
    if not filesystem.exists(path):
        return {}, ()
    text = bytes(filesystem.cat_file(path)).decode("utf-8-sig", errors="replace")  # pyright: ignore[reportArgumentType]
    by_name, broken = {}, []
    # Not splitlines(): texts may hold other line separators of Unicode, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            metadata = _parse_line(line)
            if isinstance(metadata, FileMetadata):
                by_name[metadata.file_name] = metadata
            else:
                broken.append(BrokenLine(number, metadata))
    return by_name, broken


def _parse_line(line: str) -> FileMetadata | str:
    """Returns the metadata in a line, or why there is none."""
    try:
        return FileMetadata.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    except (ValueError, RecursionError) as error:
        return str(error)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
