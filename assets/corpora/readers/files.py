"""The files of a corpus: listed without following links out of it, and read by their path inside it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from assets.corpora.config import CorpusConfig
from assets.corpora.readers.reader import (
    CorpusError,
    LeftOut,
    Listing,
    MissingCorpusError,
    RawImage,
    Unit,
    units_table,
)
from assets.lake.ids import digest
from assets.lake.lake import Lake, is_local, open_root

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".apng", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp",
)  # fmt: skip


class CorpusFile(NamedTuple):
    """One file of a corpus.

    Attributes:
        path: inside the corpus, with forward slashes.
        size: bytes.
        version: nanoseconds of its last change, or its etag in a bucket.
    """

    path: str
    size: int
    version: str = ""


def corpus_root(lake: Lake, corpus: CorpusConfig) -> str:
    """Returns the path or address of the corpus; a relative path is resolved inside the lake."""
    absolute = not is_local(corpus.path) or Path(corpus.path).is_absolute()
    return corpus.path if absolute else lake.uri(corpus.path)


def list_files(root: str) -> tuple[list[CorpusFile], list[LeftOut]]:
    """Returns the files below a folder or bucket prefix, sorted by path, and each entry that is refused.

    Hidden files and folders are skipped.

    Raises:
        MissingCorpusError: there is no such folder.
    """
    if is_local(root):
        return list_folder(Path(root))
    filesystem, top = open_root(root)
    filesystem.invalidate_cache()  # s3fs keeps listings, which would hide new files
    if not filesystem.exists(top):
        raise MissingCorpusError(root)
    prefix = top.rstrip("/") + "/"
    details = filesystem.find(top, detail=True)
    assert isinstance(details, dict)
    files = [
        CorpusFile(str(name).removeprefix(prefix), int(info["size"]), _object_version(info))
        for name, info in details.items()
    ]
    return sorted(file for file in files if not _is_hidden(file.path)), []


def list_folder(root: Path) -> tuple[list[CorpusFile], list[LeftOut]]:
    """Returns the regular files of a local folder, sorted, and each entry that is refused.

    Links to folders are not followed, so cyclic links do no harm. Hidden files and folders are skipped.

    Raises:
        MissingCorpusError: there is no such folder.
    """
    if not root.is_dir():
        raise MissingCorpusError(str(root))
    top = root.resolve()
    files: list[CorpusFile] = []
    refused: list[LeftOut] = []
    for entry, relative in _entries(str(top)):
        # Only a link can lead out: resolving every path would take a minute for a million files.
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(top):
            refused.append(LeftOut(relative, "a link that leads out of the folder"))
        elif not relative.isprintable():  # includes names that are not UTF-8, which no table can store
            refused.append(LeftOut(ascii(relative), "its name holds characters that cannot be printed"))
        elif entry.is_file():  # neither a pipe nor a device, which would block the reader
            status = entry.stat()
            files.append(CorpusFile(relative, status.st_size, str(status.st_mtime_ns)))
    return sorted(files), sorted(refused)


def list_containers(root: str, *suffixes: str) -> Listing:
    """Returns a unit for each file of many samples, told by the end of its name.

    Raises:
        MissingCorpusError: there is no such folder.
        CorpusError: it has files, but none of these.
    """
    files, left_out = list_files(root)
    units = [Unit(*file, None) for file in files if file.path.endswith(suffixes)]
    if files and not units:
        raise CorpusError(
            f"{root} holds no file that ends in {' or '.join(suffixes)}. Check path and reader of the corpus."
        )
    return Listing(units_table(units), left_out)


def folder_digest(root: Path) -> str | None:
    """Returns a digest of the names, sizes and times of the files in a folder; None if it does not exist."""
    return digest(list_folder(root)[0]) if root.is_dir() else None


def read_corpus_file(root: str, path: str) -> bytes:
    """Returns the bytes of a file of a corpus.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    filesystem, top = open_root(root)
    data = filesystem.cat_file(f"{top.rstrip('/')}/{path}")
    assert isinstance(data, bytes)
    return data


def file_image(root: str, path: str, size: int | None = None) -> RawImage:
    """Returns the image that is a file of the corpus; `size` is looked up if it is None."""
    if size is None:
        filesystem, top = open_root(root)
        try:
            size = int(filesystem.size(f"{top.rstrip('/')}/{path}") or 0)
        except OSError:
            size = 0  # reading it will say why
    return RawImage(path, size, lambda: read_corpus_file(root, path))


def is_image_name(path: str) -> bool:
    """Returns whether a name ends as those of image files do."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def _entries(top: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yields everything below a folder that is no folder, with its path inside."""
    waiting = [(top, "")]  # not a recursion: folders may be nested deeper than Python allows
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as scanned:
            for entry in scanned:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                else:
                    yield entry, prefix + entry.name


def _object_version(info: dict[str, object]) -> str:
    return str(info.get("ETag") or info.get("LastModified") or "").strip('"')


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
