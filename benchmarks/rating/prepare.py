"""A study made of a suite and the output folders of several models."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.rating.pictures import fit_canvas
from benchmarks.rating.study import (
    STUDY_FILE,
    Card,
    Dimension,
    Study,
    StudyError,
    StudyItem,
    write_study,
)
from benchmarks.suites.item import BenchItem, MissingPictureError, read_limited
from benchmarks.suites.outputs import Outputs, find_outputs
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode, encode_png
from models.common.progress import Progress
from models.common.seeding import numpy_generator

PICTURES = "pictures"
MIN_OUTPUTS = 2
"""A page with fewer outputs compares nothing and is left out, unless the study has one model."""


class Plan(NamedTuple):
    """What decides a study besides its images; see `Study`.

    Attributes:
        title: heading of the pages.
        seed: of the orders and the sentinels.
        scale: values of the keys.
        dimensions: what is asked of each image.
        raters: how many an item needs before results name the models.
        sentinels: share of items with a sentinel, 0 to 1.
        long_side: images are shrunk to it, in pixels.
    """

    title: str
    seed: int
    scale: tuple[float, ...]
    dimensions: tuple[Dimension, ...]
    raters: int
    sentinels: float
    long_side: int


def create_study(
    folder: Path,
    *,
    items: Sequence[BenchItem],
    outputs: Mapping[str, Path],
    plan: Plan,
    progress: Progress,
) -> Study:
    """Returns a new study, written to `folder` with all its images decoded and encoded again.

    Args:
        folder: must not hold a study.
        items: what the models were asked for.
        outputs: model to the folder with its outputs, see `benchmarks.suites.outputs.find_outputs`.
        plan: scale, dimensions, seed and sentinels.
        progress: called with what is done.

    Raises:
        StudyError: there is a study already, or no item can be shown.
    """
    if (folder / STUDY_FILE).exists():
        raise StudyError(f"{folder} holds a study already. Ratings belong to it, so make another folder.")
    found = {model: find_outputs(place, items) for model, place in outputs.items()}
    sentinels = _sentinels([item.sample_id for item in items], plan)
    wanted = min(MIN_OUTPUTS, len(outputs))
    kept: list[StudyItem] = []
    left_out: dict[str, dict[str, str]] = {}
    for number, item in enumerate(items):
        progress("prepare pictures", number, len(items))
        answers, missing = _answers(item, found)
        if len(answers) < wanted:
            left_out[item.sample_id] = missing
            continue
        try:
            sources = [picture.pixels(plan.long_side) for picture in item.sources]
        except (MissingPictureError, UnreadableImageError) as error:
            left_out[item.sample_id] = {"source": str(error)}
            continue
        cards = _cards(folder, item, answers, shape=sources[0].shape)
        files = [_write(folder, item.sample_id, f"source/{n}", one) for n, one in enumerate(sources)]
        sentinel = _sentinel_card(sentinels.get(item.sample_id), item, cards, files[0], plan.seed)
        kept.append(_study_item(item, sources[0].shape, files, [*cards, *sentinel], missing))
    progress("prepare pictures", len(items), len(items))
    if not kept:
        reason = next(iter(left_out.values()), {})
        raise StudyError(f"No item has a source and {wanted} outputs. Of the first item: {reason}")
    settings = {name: value for name, value in plan._asdict().items() if name in Study.model_fields}
    study = Study(**settings, models=tuple(outputs), items=tuple(kept), left_out=left_out)
    write_study(folder, study)
    return study


def read_dimensions(path: Path) -> tuple[Dimension, ...]:
    """Returns the dimensions of a JSON file: a list of objects with the fields of `Dimension`.

    Raises:
        StudyError: the file is not such a list.
    """
    try:
        return tuple(Dimension.model_validate(row) for row in json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: a JSON list of dimensions expected: {error}") from error


def _sentinels(ids: Sequence[str], plan: Plan) -> dict[str, str]:
    """Item id to the kind of its sentinel; both kinds as often as the other, give or take one."""
    generator = numpy_generator(plan.seed, "sentinels")
    chosen = generator.permutation(len(ids))[: round(plan.sentinels * len(ids))]
    kinds = ("unedited", "duplicate")
    return {ids[int(place)]: kinds[number % 2] for number, place in enumerate(chosen)}


def _answers(item: BenchItem, found: Mapping[str, Outputs]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    answers: dict[str, np.ndarray] = {}
    missing: dict[str, str] = {}
    for model, outputs in found.items():
        path = outputs.paths.get(item.sample_id)
        if path is None:
            missing[model] = outputs.problems.get(item.sample_id, "there is no output")
            continue
        try:
            answers[model] = decode(read_limited(path))
        except (MissingPictureError, UnreadableImageError) as error:
            missing[model] = str(error)
    return answers, missing


def _cards(
    folder: Path, item: BenchItem, answers: Mapping[str, np.ndarray], *, shape: tuple[int, ...]
) -> list[Card]:
    cards = []
    for model, pixels in answers.items():
        file = _write(folder, item.sample_id, f"output/{model}", fit_canvas(pixels, shape[0], shape[1]))
        cards.append(Card(key=model, kind="output", model=model, file=file))
    return cards


def _sentinel_card(
    kind: str | None, item: BenchItem, cards: Sequence[Card], source: str, seed: int
) -> list[Card]:
    if kind is None:
        return []
    if kind == "unedited":
        return [Card(key="sentinel:unedited", kind="unedited", model=None, file=source)]
    twin = cards[int(numpy_generator(seed, "duplicate", item.sample_id).integers(len(cards)))]
    return [twin.model_copy(update={"key": "sentinel:duplicate", "kind": "duplicate"})]


def _study_item(
    item: BenchItem,
    shape: tuple[int, ...],
    sources: Sequence[str],
    cards: Sequence[Card],
    missing: dict[str, str],
) -> StudyItem:
    return StudyItem(
        item_id=item.sample_id,
        cluster=item.cluster or item.sample_id,
        instruction=item.instruction,
        lang=item.lang,
        sources=tuple(sources),
        width=shape[1],
        height=shape[0],
        cards=tuple(cards),
        missing=missing,
    )


def _write(folder: Path, item_id: str, role: str, pixels: np.ndarray) -> str:
    name = hashlib.sha256(f"{item_id}\x1f{role}".encode()).hexdigest()[:24]
    file = f"{PICTURES}/{name}.png"
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))
    return file
