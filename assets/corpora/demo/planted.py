"""Plants defects: copies, degraded images, collages and broken files, each with its ground truth."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from assets.corpora.config import DemoCorpusConfig
from assets.corpora.demo.crops import CorpusImage, Quota, Split, SplitImages
from assets.corpora.demo.defects import BROKEN, CLEAN_QUALITY, COPIES, DEGRADED, collage, seam_contrast
from models.common.pixels import encode_jpeg
from models.common.seeding import numpy_generator

HELDOUT_PERIOD = 4
"""One of so many files of a defect is made from held-out images."""

COLLAGE_ATTEMPTS = 8
"""Arrangements tried for a collage; the one with the most visible seams is used."""

THUMBNAIL_SIDE = 128

LARGEST_FIRST = ("code", "overlay_text")
"""Defects planted in the largest images: a code needs 2 pixels for each module, text a minimum height."""

BRIGHTEST_FIRST = "privacy_bar"
"""The defect planted in the brightest remaining images: a black bar in a night sky can't be seen."""


class DemoFile(NamedTuple):
    """One file of the demo corpus: its path, its bytes or the path of a source file, and its metadata."""

    path: str
    source: bytes | Path
    split: Split
    group_id: str
    license: str
    text: str | None
    category: str | None
    defect: str | None = None
    parent: str | None = None

    @property
    def data(self) -> bytes:
        """Its bytes; a source file is read at each access, to save memory."""
        return self.source.read_bytes() if isinstance(self.source, Path) else self.source


def image_quotas(config: DemoCorpusConfig) -> dict[Split, Quota]:
    """Returns how many clean and degraded images the corpus needs in each split."""
    train, heldout = _shares(config.planted_per_defect)
    return {
        "train": Quota(config.train_images, train * len(DEGRADED)),
        "heldout": Quota(config.heldout_images, heldout * len(DEGRADED)),
    }


def clean_files(by_split: Mapping[Split, SplitImages]) -> list[DemoFile]:
    """Returns the files of the clean images: whole photographs byte for byte, crops as JPEG."""
    return [
        _clean_file(image, number)
        for split_images in by_split.values()
        for number, image in enumerate(split_images.clean)
    ]


def planted_files(
    config: DemoCorpusConfig, by_split: Mapping[Split, SplitImages], clean: Sequence[DemoFile]
) -> Iterator[DemoFile]:
    """Yields the planted files, defect by defect; `clean` are the files of the clean images, in order."""
    images = [image for split_images in by_split.values() for image in split_images.clean]
    pairs = {split: [p for p in zip(images, clean, strict=True) if p[0].split == split] for split in by_split}
    counts = dict(zip(("train", "heldout"), _shares(config.planted_per_defect), strict=True))
    for split, split_images in by_split.items():
        if pairs[split]:
            yield from _copy_files(config, pairs[split], split, counts[split])
            yield from _collage_files(config, split_images.clean, split, counts[split])
        yield from _degraded_files(config, split_images.degraded, split)


def _shares(planted: int) -> tuple[int, int]:
    heldout = planted // HELDOUT_PERIOD
    return planted - heldout, heldout


def _clean_file(image: CorpusImage, number: int) -> DemoFile:
    name = PurePosixPath(image.photograph.name)
    if image.crop is None:
        return _demo_file(image, f"photographs/{name}", image.photograph.path)
    path = f"crops/{image.split}-{number:04d}-{name.stem}.jpg"
    return _demo_file(image, path, encode_jpeg(image.crop, CLEAN_QUALITY))


def _copy_files(
    config: DemoCorpusConfig, pairs: Sequence[tuple[CorpusImage, DemoFile]], split: Split, count: int
) -> Iterator[DemoFile]:
    for defect in ("exact_copy", *COPIES, *BROKEN):
        order = numpy_generator(config.seed, "parents", defect, split).permutation(len(pairs))
        for number in range(count):
            image, parent = pairs[order[number % len(pairs)]]
            generator = numpy_generator(config.seed, "plant", defect, split, number)
            if defect == "exact_copy":
                data = parent.source
            else:
                plant = COPIES.get(defect) or BROKEN[defect]
                data = plant(image.pixels(config.photograph_side), generator)
            file = _planted_file(image, defect, split, number, data)
            yield file if defect in ("flat", "not_an_image") else file._replace(parent=parent.path)


def _degraded_files(
    config: DemoCorpusConfig, images: Sequence[CorpusImage], split: Split
) -> Iterator[DemoFile]:
    remaining = sorted(images, key=lambda image: (-_short_side(image, config), image.photograph.content))
    defects = [*LARGEST_FIRST, BRIGHTEST_FIRST]
    defects += [defect for defect in DEGRADED if defect not in defects]
    share, rest = divmod(len(images), len(defects))
    for index, defect in enumerate(defects):
        if defect == BRIGHTEST_FIRST:
            remaining.sort(key=_darkness)
        for number in range(share + (index < rest)):
            image = remaining.pop(0)
            generator = numpy_generator(config.seed, "plant", defect, split, number)
            data = DEGRADED[defect](image.pixels(config.photograph_side), generator)
            yield _planted_file(image, defect, split, number, data)


def _collage_files(
    config: DemoCorpusConfig, images: Sequence[CorpusImage], split: Split, count: int
) -> Iterator[DemoFile]:
    groups: dict[str, list[CorpusImage]] = {}
    for image in images:
        groups.setdefault(image.group_id, []).append(image)
    # A collage of four images of one group belongs to that group; without such a group, of any four images.
    large_groups = [group for group in groups.values() if len(group) >= 4] or [list(images)]
    for number in range(count):
        generator = numpy_generator(config.seed, "plant", "collage", split, number)
        arrangements = [
            _tiles(large_groups[int(generator.integers(len(large_groups)))], generator)
            for _ in range(COLLAGE_ATTEMPTS)
        ]
        # Two walls, or two parts of a night sky, have no visible seam between them.
        tiles = max(
            arrangements, key=lambda tiles: seam_contrast([tile.pixels(THUMBNAIL_SIDE) for tile in tiles])
        )
        data = collage([tile.pixels(config.photograph_side) for tile in tiles], generator)
        yield _planted_file(tiles[0], "collage", split, number, data)


def _tiles(group: Sequence[CorpusImage], generator: np.random.Generator) -> list[CorpusImage]:
    return [group[index % len(group)] for index in generator.permutation(max(4, len(group)))[:4]]


def _planted_file(image: CorpusImage, defect: str, split: Split, number: int, data: bytes | Path) -> DemoFile:
    if isinstance(data, Path):
        suffix = data.suffix.removeprefix(".") or "jpg"
    else:
        suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
    return _demo_file(image, f"planted/{defect}/{split}-{number:02d}.{suffix}", data)._replace(defect=defect)


def _demo_file(image: CorpusImage, path: str, data: bytes | Path) -> DemoFile:
    photograph = image.photograph
    text = f"a photograph of {photograph.caption}" if photograph.caption else None
    if text and image.part:
        text += f", {image.part} part"
    return DemoFile(path, data, image.split, image.group_id, photograph.license, text, photograph.category)


def _darkness(image: CorpusImage) -> float:
    """Returns minus the level that three quarters of its pixels exceed in some channel."""
    return -float(np.quantile(image.pixels(THUMBNAIL_SIDE).max(axis=2), 0.25))


def _short_side(image: CorpusImage, config: DemoCorpusConfig) -> int:
    return min(image.pixels(config.photograph_side).shape[:2])
