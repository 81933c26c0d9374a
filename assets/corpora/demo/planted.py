"""Planting: defective copies and made pictures beside the clean ones, each with the truth of what it is."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from assets.corpora.config import DemoCorpusConfig
from assets.corpora.demo.crops import Cut, Piece, Split, Wanted
from assets.corpora.demo.defects import BROKEN, CLEAN_QUALITY, COPIES, SPOILED, collage, seam_contrast
from models.common.pixels import encode_jpeg
from models.common.seeding import numpy_generator

HELDOUT_EVERY = 4
"""Every fourth copy of a defect is made from held-out pictures."""

ARRANGEMENTS = 8
"""Tried for a collage, of which the one is taken whose seams show best."""

THUMBNAIL_SIDE = 128

LARGEST_FIRST = ("code", "overlay_text")
"""These defects get the largest pictures: a code needs 2 pixels a module, a line of text its height."""

BRIGHTEST_FIRST = "privacy_bar"
"""This one gets the brightest of the others: a black bar in a night sky can't be seen."""


class Entry(NamedTuple):
    """One file of the demo corpus: its path, its bytes or the file that has them, and its metadata."""

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
        """Its bytes; those of a file that is taken as it is are read anew each time, to spare memory."""
        return self.source.read_bytes() if isinstance(self.source, Path) else self.source


def wanted_pieces(config: DemoCorpusConfig) -> dict[Split, Wanted]:
    """Returns how many clean and spoiled pieces the corpus needs in each split."""
    train, heldout = _shares(config.planted_per_defect)
    return {
        "train": Wanted(config.train_images, train * len(SPOILED)),
        "heldout": Wanted(config.heldout_images, heldout * len(SPOILED)),
    }


def clean_entries(cuts: Mapping[Split, Cut]) -> list[Entry]:
    """Returns the clean pictures: whole photographs with their bytes unchanged, crops as JPEG."""
    return [_clean(piece, number) for cut in cuts.values() for number, piece in enumerate(cut.clean)]


def planted_entries(
    config: DemoCorpusConfig, cuts: Mapping[Split, Cut], clean: Sequence[Entry]
) -> Iterator[Entry]:
    """Yields the planted files, defect by defect; `clean` are the entries of the clean pieces, in order."""
    pieces = [piece for cut in cuts.values() for piece in cut.clean]
    pairs = {split: [p for p in zip(pieces, clean, strict=True) if p[0].split == split] for split in cuts}
    counts = dict(zip(("train", "heldout"), _shares(config.planted_per_defect), strict=True))
    for split, cut in cuts.items():
        if pairs[split]:
            yield from _copies(config, pairs[split], split, counts[split])
            yield from _collages(config, cut.clean, split, counts[split])
        yield from _spoiled(config, cut.spoiled, split)


def _shares(planted: int) -> tuple[int, int]:
    heldout = planted // HELDOUT_EVERY
    return planted - heldout, heldout


def _clean(piece: Piece, number: int) -> Entry:
    name = PurePosixPath(piece.photograph.name)
    if piece.crop is None:
        return _entry(piece, f"photographs/{name}", piece.photograph.path)
    path = f"crops/{piece.split}-{number:04d}-{name.stem}.jpg"
    return _entry(piece, path, encode_jpeg(piece.crop, CLEAN_QUALITY))


def _copies(
    config: DemoCorpusConfig, pairs: Sequence[tuple[Piece, Entry]], split: Split, count: int
) -> Iterator[Entry]:
    for defect in ("exact_copy", *COPIES, *BROKEN):
        order = numpy_generator(config.seed, "parents", defect, split).permutation(len(pairs))
        for number in range(count):
            piece, parent = pairs[order[number % len(pairs)]]
            generator = numpy_generator(config.seed, "plant", defect, split, number)
            if defect == "exact_copy":
                data = parent.source
            else:
                plant = COPIES.get(defect) or BROKEN[defect]
                data = plant(piece.pixels(config.photograph_side), generator)
            entry = _planted(piece, defect, split, number, data)
            yield entry if defect in ("flat", "not_an_image") else entry._replace(parent=parent.path)


def _spoiled(config: DemoCorpusConfig, pieces: Sequence[Piece], split: Split) -> Iterator[Entry]:
    left = sorted(pieces, key=lambda piece: (-_short_side(piece, config), piece.photograph.content))
    kinds = [*LARGEST_FIRST, BRIGHTEST_FIRST]
    kinds += [defect for defect in SPOILED if defect not in kinds]
    share, rest = divmod(len(pieces), len(kinds))
    for place, defect in enumerate(kinds):
        if defect == BRIGHTEST_FIRST:
            left.sort(key=_darkness)
        for number in range(share + (place < rest)):
            piece = left.pop(0)
            generator = numpy_generator(config.seed, "plant", defect, split, number)
            data = SPOILED[defect](piece.pixels(config.photograph_side), generator)
            yield _planted(piece, defect, split, number, data)


def _collages(config: DemoCorpusConfig, pieces: Sequence[Piece], split: Split, count: int) -> Iterator[Entry]:
    groups: dict[str, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.group_id, []).append(piece)
    # Four tiles of one group keep the collage in that group; without such a group, any four of the split.
    rich = [group for group in groups.values() if len(group) >= 4] or [list(pieces)]
    for number in range(count):
        generator = numpy_generator(config.seed, "plant", "collage", split, number)
        drawn = [_tiles(rich[int(generator.integers(len(rich)))], generator) for _ in range(ARRANGEMENTS)]
        # Two walls, or two pieces of night sky, have no seam between them that anyone could see.
        tiles = max(drawn, key=lambda tiles: seam_contrast([tile.pixels(THUMBNAIL_SIDE) for tile in tiles]))
        data = collage([tile.pixels(config.photograph_side) for tile in tiles], generator)
        yield _planted(tiles[0], "collage", split, number, data)


def _tiles(group: Sequence[Piece], generator: np.random.Generator) -> list[Piece]:
    return [group[place % len(group)] for place in generator.permutation(max(4, len(group)))[:4]]


def _planted(piece: Piece, defect: str, split: Split, number: int, data: bytes | Path) -> Entry:
    if isinstance(data, Path):
        suffix = data.suffix.removeprefix(".") or "jpg"
    else:
        suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
    return _entry(piece, f"planted/{defect}/{split}-{number:02d}.{suffix}", data)._replace(defect=defect)


def _entry(piece: Piece, path: str, data: bytes | Path) -> Entry:
    photograph = piece.photograph
    text = f"a photograph of {photograph.caption}" if photograph.caption else None
    if text and piece.place:
        text += f", {piece.place} part"
    return Entry(path, data, piece.split, piece.group_id, photograph.license, text, photograph.category)


def _darkness(piece: Piece) -> float:
    """Returns minus the level that three quarters of its pixels exceed in some channel."""
    return -float(np.quantile(piece.pixels(THUMBNAIL_SIDE).max(axis=2), 0.25))


def _short_side(piece: Piece, config: DemoCorpusConfig) -> int:
    return min(piece.pixels(config.photograph_side).shape[:2])
