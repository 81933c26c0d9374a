"""Turns photographs into the images of the demo corpus; train and held-out images share no pixels."""

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
"""Below this number each photograph is cut into a training and a held-out region; otherwise each is in one
split."""

MIN_CROP_SIDE = 24
"""Pixels of the short side of the smallest crop, and of the smallest image that a defect is planted in."""

CROP_ATTEMPTS = 4000
"""Random boxes tried for each region: three times as many as fill the largest built-in photograph."""

Split = Literal["train", "heldout"]


class Box(NamedTuple):
    """A rectangle in pixels of the shrunk photograph; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """The area in square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True)
class CorpusImage:
    """One image of the corpus: a whole photograph, or a crop of one.

    Attributes:
        photograph: where its pixels come from.
        split: train or heldout.
        group_id: images of one group share pixels.
        crop: the pixels of a crop, (H, W, 3); None for a whole photograph.
        part: upper, middle or lower, where a crop lies in its region.
    """

    photograph: Photograph
    split: Split
    group_id: str
    crop: np.ndarray | None = None
    part: str | None = None

    def pixels(self, long_side: int) -> np.ndarray:
        """Returns canonical pixels: a whole photograph shrunk to `long_side`, or the crop."""
        return decode(self.photograph.data, long_side) if self.crop is None else self.crop


class Quota(NamedTuple):
    """How many images of a split the corpus contains unchanged, and how many only with a defect."""

    clean: int
    degraded: int


class SplitImages(NamedTuple):
    """The images of one split: those used unchanged, and those used only with a defect."""

    clean: list[CorpusImage]
    degraded: list[CorpusImage]


def choose_images(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, quotas: Mapping[Split, Quota]
) -> dict[Split, SplitImages]:
    """Returns the images of each split, as many as its quota where the photographs yield that many.

    With enough photographs each is used whole, in the split that a hash of its content selects. If they are
    too few, crops are added; a crop is in the photograph's split and covers at most a quarter of it, so that
    it is not a near-duplicate of the whole.

    Below `FEW_PHOTOGRAPHS` only crops are used: training crops from the left two thirds of each photograph,
    held-out crops from the right third. A photograph that is too small or too uniform to be cropped is used
    whole, in one split.
    """
    few = len(photographs) < FEW_PHOTOGRAPHS
    by_split = _by_region(photographs, config, quotas) if few else _by_photograph(photographs, config, quotas)
    if few and not all(split_images.clean for split_images in by_split.values()):
        # Every right third is too narrow or too uniform to be cropped.
        return _by_photograph(photographs, config, quotas)
    return by_split


def _by_region(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, quotas: Mapping[Split, Quota]
) -> dict[Split, SplitImages]:
    limit = 3 * -(-sum(sum(counts) for counts in quotas.values()) // max(1, len(photographs)))
    pools: dict[Split, list[list[CorpusImage]]] = {split: [] for split in quotas}
    uncut: list[Photograph] = []
    for photograph in _distinct(photographs):
        pixels = decode(photograph.data, config.photograph_side)
        border = pixels.shape[1] * 2 // 3
        regions: dict[Split, np.ndarray] = {"train": pixels[:, :border], "heldout": pixels[:, border:]}
        crops = {split: _random_crops(regions[split], photograph, split, config, limit) for split in quotas}
        if not any(crops.values()):
            uncut.append(photograph)
        for split in quotas:
            pools[split].append(crops[split])
    whole = _whole_images(uncut, config, quotas)
    return {
        split: _divide(_interleave(pools[split]), whole[split], config, quotas[split]) for split in quotas
    }


def _by_photograph(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, quotas: Mapping[Split, Quota]
) -> dict[Split, SplitImages]:
    by_split = {}
    enough = len(photographs) >= sum(sum(counts) for counts in quotas.values())
    for split, whole in _whole_images(photographs, config, quotas).items():
        if enough:
            tiny = [image for image in whole if image.photograph.short_side < MIN_CROP_SIDE]
            large = [image for image in whole if image.photograph.short_side >= MIN_CROP_SIDE]
            by_split[split] = _divide(large, tiny, config, quotas[split])
            continue
        limit = 3 * -(-sum(quotas[split]) // max(1, len(whole)))
        members = _distinct([image.photograph for image in whole])
        crops = _interleave([_quarter_crops(photograph, split, config, limit) for photograph in members])
        missing = Quota(max(0, quotas[split].clean - len(whole)), quotas[split].degraded)
        by_split[split] = _divide(crops, whole, config, missing)
    return by_split


def _whole_images(
    photographs: Sequence[Photograph], config: DemoCorpusConfig, quotas: Mapping[Split, Quota]
) -> dict[Split, list[CorpusImage]]:
    """Returns whole photographs by split, in the order of a seeded hash; of two or more, one is held out."""
    contents = {photograph.content for photograph in photographs}
    ranked = sorted(contents, key=lambda content: digest([config.seed, content]))
    share = sum(quotas["heldout"]) / sum(sum(counts) for counts in quotas.values())
    heldout = set(ranked[: max(1 if len(ranked) > 1 else 0, round(len(ranked) * share))])
    images: dict[Split, list[CorpusImage]] = {split: [] for split in quotas}
    for photograph in sorted(
        photographs, key=lambda photograph: (ranked.index(photograph.content), photograph.name)
    ):
        split: Split = "heldout" if photograph.content in heldout else "train"
        images[split].append(CorpusImage(photograph, split, _group(photograph, "whole")))
    return images


def _divide(
    images: Sequence[CorpusImage], whole: list[CorpusImage], config: DemoCorpusConfig, quota: Quota
) -> SplitImages:
    """Returns the first images, shuffled and divided by the quota; too few are divided in its proportion."""
    chosen = list(images[: sum(quota)])
    clean = quota.clean
    if len(chosen) < sum(quota):
        clean = -(-len(chosen) * quota.clean // sum(quota))
    split = chosen[0].split if chosen else "train"
    order = numpy_generator(config.seed, "clean or spoiled", split).permutation(len(chosen))
    shuffled = [chosen[index] for index in order]
    return SplitImages(whole + shuffled[:clean], shuffled[clean:])


def _quarter_crops(
    photograph: Photograph, split: Split, config: DemoCorpusConfig, limit: int
) -> list[CorpusImage]:
    pixels = decode(photograph.data, config.photograph_side)
    longest = min(config.crop_side_max, int((pixels.shape[0] * pixels.shape[1]) ** 0.5 / 2))
    shortest = min(config.crop_side_min, longest)
    smaller = config.model_copy(update={"crop_side_max": longest, "crop_side_min": shortest})
    crops = _random_crops(pixels, photograph, split, smaller, limit)
    return [replace(crop, group_id=_group(photograph, "whole")) for crop in crops]


def _random_crops(
    region: np.ndarray, photograph: Photograph, split: Split, config: DemoCorpusConfig, limit: int
) -> list[CorpusImage]:
    generator = numpy_generator(config.seed, "crops", photograph.content, split)
    boxes: list[Box] = []
    for _ in range(CROP_ATTEMPTS):
        box = _random_box(generator, region.shape[1], region.shape[0], config)
        if box is None or len(boxes) == limit:
            break
        if overlap(box, boxes) <= config.max_overlap and has_content(_pixels(region, box)):
            boxes.append(box)
    group = _group(photograph, split)
    return [
        CorpusImage(photograph, split, group, _pixels(region, box).copy(), _vertical_part(box, region))
        for box in boxes
    ]


def _random_box(
    generator: np.random.Generator, width: int, height: int, config: DemoCorpusConfig
) -> Box | None:
    longest = min(config.crop_side_max, width, height)
    if longest < MIN_CROP_SIDE:
        return None
    side = int(
        generator.integers(min(config.crop_side_min, max(MIN_CROP_SIDE, longest * 2 // 3)), longest + 1)
    )
    shape = generator.random()
    wide = side * 3 // 4 if shape < config.oblong_share / 2 else side
    high = side * 3 // 4 if config.oblong_share / 2 <= shape < config.oblong_share else side
    left = int(generator.integers(0, width - wide + 1))
    top = int(generator.integers(0, height - high + 1))
    return Box(left, top, left + wide, top + high)


def overlap(box: Box, others: Sequence[Box]) -> float:
    """Returns the largest intersection over union of a box with other boxes; 0 if there are none."""
    if not others:
        return 0.0
    theirs = np.array(others)
    wide = np.minimum(box.right, theirs[:, 2]) - np.maximum(box.left, theirs[:, 0])
    high = np.minimum(box.bottom, theirs[:, 3]) - np.maximum(box.top, theirs[:, 1])
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    areas = (theirs[:, 2] - theirs[:, 0]) * (theirs[:, 3] - theirs[:, 1])
    return float((shared / (areas + box.area - shared)).max())


def has_content(pixels: np.ndarray) -> bool:
    """Returns whether a crop has detail in most places, more than one tone, and full resolution.

    There are three conditions, and none of them is a measure of the filters. In half of 8x8 cells the
    luminance varies by 4 levels, so the crop is not mostly sky or background. The middle half of all tones
    spans 12 levels, so it is not one tone with specks. In a quarter of 4x4 cells halving the crop loses 1.5
    levels of detail, so the photograph is sharp there.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    tones = np.sort(small, axis=None)
    cells = small.reshape(8, 4, 8, 4).std(axis=(1, 3))
    if tones[768] - tones[256] < 12 or (cells >= 4).mean() < 0.5:
        return False
    # An odd side would be shifted by the two resizes.
    even = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]
    half = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    again = cv2.resize(half, (even.shape[1], even.shape[0]), interpolation=cv2.INTER_CUBIC)
    lost = cv2.absdiff(even, again).astype(np.float32) ** 2
    details = np.sqrt(cv2.resize(lost, (4, 4), interpolation=cv2.INTER_AREA))
    return bool((details >= 1.5).mean() >= 0.25)


def _interleave(pools: Sequence[Sequence[CorpusImage]]) -> list[CorpusImage]:
    """Returns images from all pools in turn, so that no photograph dominates the beginning."""
    longest = max((len(pool) for pool in pools), default=0)
    return [pool[turn] for turn in range(longest) for pool in pools if turn < len(pool)]


def _distinct(photographs: Sequence[Photograph]) -> list[Photograph]:
    """Returns the photographs without byte-identical repeats, whose crops would be identical too."""
    return list({photograph.content: photograph for photograph in reversed(photographs)}.values())[::-1]


def _group(photograph: Photograph, region: str) -> str:
    return digest(["group", photograph.content, region])


def _pixels(region: np.ndarray, box: Box) -> np.ndarray:
    return region[box.top : box.bottom, box.left : box.right]


def _vertical_part(box: Box, region: np.ndarray) -> str:
    middle = (box.top + box.bottom) / 2 / region.shape[0]
    return "upper" if middle < 1 / 3 else "lower" if middle > 2 / 3 else "middle"
