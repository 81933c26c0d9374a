"""Crops: how photographs become the pictures of a corpus, so that train and held-out share no pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import cv2
import numpy as np

from assets.corpora.config import DemoCorpusConfig
from assets.corpora.demo.photographs import Photograph
from assets.lake.ids import digest
from models.common.pixels import decode
from models.common.seeding import numpy_generator

FEW_PHOTOGRAPHS = 24
"""Fewer than these are cut into a training and a held-out region each; more are shared out whole."""

SMALLEST_SIDE = 24
"""Pixels of the short side of the smallest crop, and of the smallest picture that a defect is planted in."""

DARTS = 4000
"""Random boxes tried in a region: three times what fills the largest built-in photograph."""

Split = Literal["train", "heldout"]


class Box(NamedTuple):
    """A rectangle in pixels of the shrunk photograph; right and bottom are outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True)
class Piece:
    """One picture of the corpus: a photograph as it is (no crop), or a crop with its pixels (H, W, 3)."""

    photograph: Photograph
    split: Split
    group_id: str
    crop: np.ndarray | None = None
    place: str | None = None

    def pixels(self, long_side: int) -> np.ndarray:
        """Returns its canonical pixels, those of a whole photograph shrunk to `long_side`."""
        return decode(self.photograph.data, long_side) if self.crop is None else self.crop


class Wanted(NamedTuple):
    """How many pictures a split shows as they are, and how many only with a defect."""

    clean: int
    spoiled: int


class Cut(NamedTuple):
    """The pictures of one split that the corpus shows as they are, and those that it shows only spoiled."""

    clean: list[Piece]
    spoiled: list[Piece]


def cut_pieces(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, wanted: Mapping[Split, Wanted]
) -> dict[Split, Cut]:
    """Returns the pieces of each split, as many as wanted where the photographs yield that many.

    Enough photographs are taken whole, each in the split that its content draws. Fewer are completed with
    crops, which follow the photograph's split and cover at most a quarter of it, so that no crop nearly
    duplicates the whole. Below `FEW_PHOTOGRAPHS` only crops are taken: training from the left two thirds
    of each photograph, held-out from the right third. The whole would hold pixels of both. A photograph
    that is too small or too plain to be cut is whole in one split.
    """
    few = len(photographs) < FEW_PHOTOGRAPHS
    cuts = _by_region(photographs, config, wanted) if few else _by_photograph(photographs, config, wanted)
    if few and not all(cut.clean for cut in cuts.values()):  # every right third is too narrow or too plain
        return _by_photograph(photographs, config, wanted)
    return cuts


def _by_region(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, wanted: Mapping[Split, Wanted]
) -> dict[Split, Cut]:
    limit = 3 * -(-sum(sum(counts) for counts in wanted.values()) // max(1, len(photographs)))
    pools: dict[Split, list[list[Piece]]] = {split: [] for split in wanted}
    uncut: list[Photograph] = []
    for photograph in _distinct(photographs):
        pixels = decode(photograph.data, config.photograph_side)
        border = pixels.shape[1] * 2 // 3
        regions: dict[Split, np.ndarray] = {"train": pixels[:, :border], "heldout": pixels[:, border:]}
        crops = {split: _cut(regions[split], photograph, split, config, limit) for split in wanted}
        if not any(crops.values()):
            uncut.append(photograph)
        for split in wanted:
            pools[split].append(crops[split])
    whole = _shared_out(uncut, config, wanted)
    return {split: _divided(_in_turn(pools[split]), whole[split], config, wanted[split]) for split in wanted}


def _by_photograph(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, wanted: Mapping[Split, Wanted]
) -> dict[Split, Cut]:
    cuts = {}
    enough = len(photographs) >= sum(sum(counts) for counts in wanted.values())
    for split, whole in _shared_out(photographs, config, wanted).items():
        if enough:
            tiny = [piece for piece in whole if piece.photograph.short_side < SMALLEST_SIDE]
            large = [piece for piece in whole if piece.photograph.short_side >= SMALLEST_SIDE]
            cuts[split] = _divided(large, tiny, config, wanted[split])
            continue
        limit = 3 * -(-sum(wanted[split]) // max(1, len(whole)))
        members = _distinct([piece.photograph for piece in whole])
        crops = _in_turn([_quarter_crops(photograph, split, config, limit) for photograph in members])
        missing = Wanted(max(0, wanted[split].clean - len(whole)), wanted[split].spoiled)
        cuts[split] = _divided(crops, whole, config, missing)
    return cuts


def _shared_out(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, wanted: Mapping[Split, Wanted]
) -> dict[Split, list[Piece]]:
    """Returns whole photographs by split, in the order of a seeded hash; at least one of two is held out."""
    contents = {photograph.content for photograph in photographs}
    ranked = sorted(contents, key=lambda content: digest([config.seed, content]))
    share = sum(wanted["heldout"]) / sum(sum(counts) for counts in wanted.values())
    heldout = set(ranked[: max(1 if len(ranked) > 1 else 0, round(len(ranked) * share))])
    pieces: dict[Split, list[Piece]] = {split: [] for split in wanted}
    for photograph in sorted(
        photographs, key=lambda photograph: (ranked.index(photograph.content), photograph.name)
    ):
        split: Split = "heldout" if photograph.content in heldout else "train"
        pieces[split].append(Piece(photograph, split, _group(photograph, "whole")))
    return pieces


def _divided(pieces: Sequence[Piece], always: list[Piece], config: DemoCorpusConfig, wanted: Wanted) -> Cut:
    """Returns the first pieces, shuffled and divided; too few are divided in the wanted proportion."""
    found = list(pieces[: sum(wanted)])
    clean = wanted.clean
    if len(found) < sum(wanted):
        clean = -(-len(found) * wanted.clean // sum(wanted))
    split = found[0].split if found else "train"
    order = numpy_generator(config.seed, "clean or spoiled", split).permutation(len(found))
    shuffled = [found[place] for place in order]
    return Cut(always + shuffled[:clean], shuffled[clean:])


def _quarter_crops(photograph: Photograph, split: Split, config: DemoCorpusConfig, limit: int) -> list[Piece]:
    pixels = decode(photograph.data, config.photograph_side)
    longest = min(config.crop_side_max, int((pixels.shape[0] * pixels.shape[1]) ** 0.5 / 2))
    shortest = min(config.crop_side_min, longest)
    smaller = config.model_copy(update={"crop_side_max": longest, "crop_side_min": shortest})
    crops = _cut(pixels, photograph, split, smaller, limit)
    return [replace(crop, group_id=_group(photograph, "whole")) for crop in crops]


def _cut(
    region: np.ndarray, photograph: Photograph, split: Split, config: DemoCorpusConfig, limit: int
) -> list[Piece]:
    generator = numpy_generator(config.seed, "crops", photograph.content, split)
    boxes: list[Box] = []
    for _ in range(DARTS):
        box = _dart(generator, region.shape[1], region.shape[0], config)
        if box is None or len(boxes) == limit:
            break
        if overlap(box, boxes) <= config.max_overlap and has_content(_pixels(region, box)):
            boxes.append(box)
    group = _group(photograph, split)
    return [
        Piece(photograph, split, group, _pixels(region, box).copy(), _place(box, region)) for box in boxes
    ]


def _dart(generator: np.random.Generator, width: int, height: int, config: DemoCorpusConfig) -> Box | None:
    longest = min(config.crop_side_max, width, height)
    if longest < SMALLEST_SIDE:
        return None
    side = int(
        generator.integers(min(config.crop_side_min, max(SMALLEST_SIDE, longest * 2 // 3)), longest + 1)
    )
    shape = generator.random()
    wide = side * 3 // 4 if shape < config.oblong_share / 2 else side
    high = side * 3 // 4 if config.oblong_share / 2 <= shape < config.oblong_share else side
    left = int(generator.integers(0, width - wide + 1))
    top = int(generator.integers(0, height - high + 1))
    return Box(left, top, left + wide, top + high)


def overlap(box: Box, others: Sequence[Box]) -> float:
    """Returns the largest intersection over union of a box with others, 0 without others."""
    if not others:
        return 0.0
    theirs = np.array(others)
    wide = np.minimum(box.right, theirs[:, 2]) - np.maximum(box.left, theirs[:, 0])
    high = np.minimum(box.bottom, theirs[:, 3]) - np.maximum(box.top, theirs[:, 1])
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    areas = (theirs[:, 2] - theirs[:, 0]) * (theirs[:, 3] - theirs[:, 1])
    return float((shared / (areas + box.area - shared)).max())


def has_content(pixels: np.ndarray) -> bool:
    """Returns whether a crop shows something everywhere, in more than one tone, at its full resolution.

    Three conditions, none of which is a measure of the filters: in half of 8x8 cells the luminance varies by
    4 levels (not mostly sky or background); the middle half of all tones spans 12 levels (not one tone with
    specks); and in a quarter of 4x4 cells halving the crop loses 1.5 levels of detail (the photograph itself
    is sharp there).
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    tones = np.sort(small, axis=None)
    cells = small.reshape(8, 4, 8, 4).std(axis=(1, 3))
    if tones[768] - tones[256] < 12 or (cells >= 4).mean() < 0.5:
        return False
    even = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]  # an odd side would come back shifted
    half = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    again = cv2.resize(half, (even.shape[1], even.shape[0]), interpolation=cv2.INTER_CUBIC)
    lost = cv2.absdiff(even, again).astype(np.float32) ** 2
    details = np.sqrt(cv2.resize(lost, (4, 4), interpolation=cv2.INTER_AREA))
    return bool((details >= 1.5).mean() >= 0.25)


def _in_turn(pools: Sequence[Sequence[Piece]]) -> list[Piece]:
    """Returns one piece of each pool after the other, so that no photograph dominates the first of them."""
    longest = max((len(pool) for pool in pools), default=0)
    return [pool[turn] for turn in range(longest) for pool in pools if turn < len(pool)]


def _distinct(photographs: Sequence[Photograph]) -> list[Photograph]:
    """Returns the photographs without later ones of equal bytes: their crops would be equal too."""
    return list({photograph.content: photograph for photograph in reversed(photographs)}.values())[::-1]


def _group(photograph: Photograph, region: str) -> str:
    return digest(["group", photograph.content, region])


def _pixels(region: np.ndarray, box: Box) -> np.ndarray:
    return region[box.top : box.bottom, box.left : box.right]


def _place(box: Box, region: np.ndarray) -> str:
    middle = (box.top + box.bottom) / 2 / region.shape[0]
    return "upper" if middle < 1 / 3 else "lower" if middle > 2 / 3 else "middle"
