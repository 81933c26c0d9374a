"""The photographs of the demo corpus: from wheels that Emberline depends on, or from a folder."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from assets.corpora.config import DemoCorpusConfig
from assets.corpora.probe import image_probe
from assets.corpora.readers.files import list_folder
from assets.corpora.readers.reader import CorpusError, LeftOut
from assets.lake.ids import content_id, digest
from models.common.canonical import read_header
from models.common.progress import Progress

PUBLIC_DOMAIN = "public domain"
CC0 = "CC0-1.0"


class EmptyCorpusError(CorpusError):
    """A folder has no readable image.

    Attributes:
        folder: its path.
        files: how many files it has.
    """

    def __init__(self, folder: Path, files: int) -> None:
        self.folder, self.files = folder, files
        super().__init__(
            f"{folder} has {files} files, but none of them is a readable image. Give a folder with JPEG, "
            "PNG, WebP, AVIF, TIFF, GIF or BMP files, or omit --images to use the built-in photographs."
        )


@dataclass(frozen=True)
class Photograph:
    """A readable image file; `content` is the content id of its bytes, `short_side` is in pixels."""

    name: str
    path: Path
    content: str
    short_side: int
    license: str
    caption: str | None = None
    category: str | None = None

    @property
    def data(self) -> bytes:
        """The bytes of its file, read at each access because a folder may be larger than memory."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class FolderContents:
    """The photographs of a folder, (name, path) of unreadable files, and (name, reason) of skipped ones."""

    photographs: tuple[Photograph, ...]
    unreadable: tuple[tuple[str, Path], ...]
    skipped: tuple[tuple[str, str], ...]


# package, file, licence, subject for captions, category (report 2.1; None if no category fits)
BUILT_IN = (
    ("skimage", "data/astronaut.png", PUBLIC_DOMAIN, "an astronaut in an orange suit", "people"),
    ("skimage", "data/chelsea.png", CC0, "a tabby cat", "nature"),
    ("skimage", "data/coffee.png", CC0, "a cup of coffee on a wooden table", "nature"),
    ("skimage", "data/hubble_deep_field.jpg", PUBLIC_DOMAIN, "distant galaxies in deep space", "nature"),
    (
        "skimage",
        "data/motorcycle_left.png",
        "Middlebury Stereo 2014",
        "a red motorcycle in a garage",
        "nature",
    ),
    ("skimage", "data/rocket.jpg", PUBLIC_DOMAIN, "a rocket on its launch pad at dusk", "nature"),
    ("skimage", "data/retina.jpg", PUBLIC_DOMAIN, "the retina of an eye", None),
    ("skimage", "data/ihc.png", PUBLIC_DOMAIN, "stained tissue under a microscope", None),
    ("sklearn", "datasets/images/china.jpg", "CC-BY-2.0", "a Chinese temple among trees", "nature"),
    ("sklearn", "datasets/images/flower.jpg", "CC-BY-2.0", "an orange dahlia in bloom", "nature"),
)


def built_in_photographs() -> list[Photograph]:
    """Returns the ten colour photographs in the wheels of scikit-image and scikit-learn."""
    photographs = []
    for package, name, license_, subject, category in BUILT_IN:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        path = Path(spec.origin).parent / name
        data = path.read_bytes()
        photograph = Photograph(
            path.name, path, content_id(data), _short_side(data), license_, subject, category
        )
        photographs.append(photograph)
    return photographs


def folder_photographs(
    folder: Path, config: DemoCorpusConfig, *, count: int, progress: Progress
) -> FolderContents:
    """Returns up to `count` photographs of a folder, and the files among them that are not readable.

    Files are tried in the order of a seeded hash of their paths, so a large folder is sampled and a small one
    is used completely. Each file is first decoded in a sandboxed process.

    Raises:
        MissingCorpusError: the folder does not exist.
        EmptyCorpusError: the folder has no readable image.
    """
    files, skipped = list_folder(folder)
    photographs: list[Photograph] = []
    unreadable: list[tuple[str, Path]] = []
    with image_probe(seconds=config.probe.seconds, memory_mib=config.probe.memory_mib) as probe:
        for number, file in enumerate(sorted(files, key=lambda file: digest([config.seed, file.path]))):
            progress("looking at photographs", number, len(files))
            if len(photographs) == count:
                break
            if file.size > config.probe.file_mib * 1024**2:
                skipped.append(LeftOut(file.path, f"over the limit of {config.probe.file_mib} MiB"))
                continue
            path = folder / file.path
            data = path.read_bytes()
            if probe(data) is None:
                photographs.append(
                    Photograph(file.path, path, content_id(data), _short_side(data), "unknown")
                )
            else:
                unreadable.append((file.path, path))
    if not photographs:
        raise EmptyCorpusError(folder, len(files))
    return FolderContents(tuple(photographs), tuple(sorted(unreadable)), tuple(sorted(skipped)))


def _short_side(data: bytes) -> int:
    header = read_header(data)
    return min(header.width, header.height)
