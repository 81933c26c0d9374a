"""Readers: the files of a corpus and what its `metadata.jsonl` says of them (Hugging Face imagefolder)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import fsspec
from pydantic import BaseModel, ValidationError

from assets.corpora.config import CorpusConfig
from assets.lake.ids import digest
from assets.lake.lake import Lake

METADATA_FILE = "metadata.jsonl"


class CorpusError(ValueError):
    """A corpus cannot be read as its profile says; the message names the place and the mend."""


class CorpusFile(NamedTuple):
    """One file of a corpus: its path inside it, with forward slashes, and its size in bytes."""

    path: str
    size: int


class FileMetadata(BaseModel, frozen=True, extra="ignore"):
    """What a line of `metadata.jsonl` may say of a file; what it doesn't say is null."""

    file_name: str
    text: str | None = None
    license: str | None = None
    group_id: str | None = None
    split: Literal["train", "heldout"] | None = None
    category: str | None = None
    url: str | None = None


def corpus_root(lake: Lake, corpus: CorpusConfig) -> str:
    """Returns the address of the corpus: its path as it stands, or below the lake where it is relative."""
    absolute = "://" in corpus.path or Path(corpus.path).is_absolute()
    return corpus.path if absolute else lake.uri(corpus.path)


def list_corpus(root: str) -> list[CorpusFile]:
    """Returns the files below a folder or bucket prefix, sorted by path, without hidden ones and metadata.

    Raises:
        CorpusError: there is no such folder.
    """
    if "://" not in root:
        files, _ = list_folder(Path(root))
        return [file for file in files if file.path != METADATA_FILE]
    filesystem, top = fsspec.core.url_to_fs(root)
    if not filesystem.exists(top):
        raise CorpusError(f"{root} is not there. Check the corpus's path in the profile.")
    prefix = str(top).rstrip("/") + "/"
    details = filesystem.find(top, detail=True)
    assert isinstance(details, dict)
    files = [CorpusFile(str(name).removeprefix(prefix), int(info["size"])) for name, info in details.items()]
    return sorted(file for file in files if not _hidden(file.path) and file.path != METADATA_FILE)


def list_folder(root: Path) -> tuple[list[CorpusFile], list[tuple[str, str]]]:
    """Returns the regular files of a local folder, sorted, and (name, reason) of what is refused.

    Folders are not entered through links, so a loop of links ends; hidden files and folders are skipped.

    Raises:
        CorpusError: there is no such folder.
    """
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder. Give the path of a folder that holds image files.")
    top = root.resolve()
    files, refused = [], []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            inside = path.relative_to(top).as_posix()
            if name.startswith("."):
                continue
            if not path.resolve().is_relative_to(top):
                refused.append((inside, "a link that leads out of the folder"))
            elif not inside.isprintable():  # also names that are not UTF-8, which no table can hold
                refused.append((ascii(inside), "its name holds characters that cannot be printed"))
            elif path.is_file():  # neither a pipe nor a device, which would block the reader
                files.append(CorpusFile(inside, path.stat().st_size))
    return sorted(files), sorted(refused)


def folder_listing(root: Path) -> str | None:
    """Returns a digest of the names, sizes and times of a folder's files; None where there is no folder."""
    if not root.is_dir():
        return None
    files, _ = list_folder(root)
    return digest([[file.path, file.size, (root / file.path).stat().st_mtime_ns] for file in files])


def read_file(root: str, path: str) -> bytes:
    """Returns a file of a corpus.

    Raises:
        OSError: the file is gone or may not be read.
    """
    filesystem, top = fsspec.core.url_to_fs(root)
    data = filesystem.cat_file(f"{str(top).rstrip('/')}/{path}")
    assert isinstance(data, bytes)
    return data


def read_metadata(root: str) -> Mapping[str, FileMetadata]:
    """Returns what `metadata.jsonl` says, by file name; empty where there is no such file.

    A line of a file that is not there does no harm: files are found by listing the folder, never by name.

    Raises:
        CorpusError: a line is not a JSON object with a `file_name` and values of the right types.
    """
    filesystem, top = fsspec.core.url_to_fs(root)
    path = f"{str(top).rstrip('/')}/{METADATA_FILE}"
    if not filesystem.exists(path):
        return {}
    text = bytes(filesystem.cat_file(path)).decode("utf-8-sig", errors="replace")  # pyright: ignore[reportArgumentType]
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            metadata = _parse(line, f"{root}/{METADATA_FILE}:{number}")
            found[metadata.file_name] = metadata
    return found


def _parse(line: str, where: str) -> FileMetadata:
    try:
        return FileMetadata.model_validate(json.loads(line))
    except (ValidationError, ValueError, RecursionError) as error:
        shown = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise CorpusError(
            f"{where}: {shown}. Each line is a JSON object with file_name (text) and, where known, text, "
            "license, group_id, split (train or heldout), category and url."
        ) from error


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
