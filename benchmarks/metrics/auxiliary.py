"""Auxiliary metrics of an output against its source: shift, zoom, changes outside the edit, faces."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.metrics.preservation import LEAST_SHARE, Preservation, preservation
from benchmarks.metrics.region import MASKED, edit_region, text_region
from benchmarks.metrics.registration import Registration, SourceMatcher, laid_back, resized_to
from benchmarks.metrics.text.places import Box, TextPlaces
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.aggregate import RULES
from benchmarks.scoring.auxiliary import AuxiliaryMetrics
from benchmarks.scoring.measure_outputs import output_pixels, why_unread
from benchmarks.scoring.table import Value, measured_rows
from benchmarks.suites.item import BenchItem, MissingPictureError
from benchmarks.suites.outputs import Outputs
from models.common.canonical import UnreadableImageError
from models.common.pixels import shrink
from models.common.progress import Progress
from models.common.thumbnail import resize_to_square
from models.faces.opencv_faces import Face, FaceReader, identity_similarity
from models.similarity.pair_metrics import PSNR_CAP

if TYPE_CHECKING:  # both load torch, which a run of stored replies has no use for
    from models.descriptors.copy_descriptor import CopyDescriptor
    from models.similarity.lpips import Lpips

STRICT = RULES["strict"]
SHIFT = Metric("shift", "Shift of the picture, pixels of the source", worst=None, best=0.0, official=STRICT)
ZOOM = Metric("zoom", "Zoom of the picture either way, percent", worst=None, best=0.0, official=STRICT)
KEPT_PSNR = Metric("kept_psnr", "PSNR outside the edit, dB", 0.0, PSNR_CAP, STRICT, decimals=1)
KEPT_SSIM = Metric("kept_ssim", "SSIM outside the edit", -1.0, 1.0, STRICT, decimals=3)
KEPT_MSE = Metric("kept_mse", "Mean squared difference outside the edit", 255.0**2, 0.0, STRICT, decimals=1)
KEPT_LPIPS = Metric("kept_lpips", "LPIPS outside the edit", None, 0.0, STRICT, decimals=3)
KEPT_DESCRIPTOR = Metric(
    "kept_descriptor", "Cosine of copy descriptors outside the edit", -1.0, 1.0, STRICT, decimals=3
)
IDENTITY = Metric("identity", "Likeness of faces, 0 to 1", 0.0, 1.0, STRICT, decimals=3)
METRICS = (SHIFT, ZOOM, KEPT_PSNR, KEPT_SSIM, KEPT_MSE, KEPT_LPIPS, KEPT_DESCRIPTOR, IDENTITY)

NOWHERE = Reading(State.UNMEASURED, note="OCR finds no text of the edit, or text everywhere")
UNALIGNED = Reading(State.UNMEASURED, note="too little in common with the source to tell a shift")

STILL_SHIFT, STILL_ZOOM, STILL_TURN = 0.1, 0.02, 0.02
"""Pixels, percent and degrees below which an image hasn't moved: moving it back would only blur it."""

LONG_SIDE = 2048
"""Pixels: larger images are compared at this size, or those of 64 megapixels would take gigabytes each."""

WORKERS = 2


@dataclass(frozen=True)
class AuxiliaryTools:
    """What needs weights that nobody ships with this; None is not measured, and the report says so."""

    faces: FaceReader | None = None
    descriptor: "CopyDescriptor | None" = None
    lpips: "Lpips | None" = None


class _Item:
    """One item, its source looked at once for all models."""

    def __init__(self, item: BenchItem, tools: AuxiliaryTools, places: TextPlaces | None) -> None:
        whole = item.sources[0].pixels()
        self.source = shrink(whole, LONG_SIDE)
        self.scale = max(whole.shape[:2]) / max(self.source.shape[:2])
        self.tools = tools
        self.region, self.lacking = _region(item)
        # A mask or a known truth says more than OCR does.
        self.places = places if self.region is None and self.lacking is None else None
        if self.places is not None:
            self.region = text_region(self.places.source, self.source.shape[:2], 1 / self.scale)
        self._aligner = SourceMatcher(self.source, self.region)
        self._faces: list[Face] | None = None if tools.faces is None else tools.faces.faces(self.source)

    def applies(self) -> set[str]:
        """Returns the metrics that an output of this item can have."""
        names = {SHIFT.name, ZOOM.name} | ({IDENTITY.name} if self._faces else set())
        if self.lacking is not None or self._has_outside():
            names |= _kept(self.tools)
        return names

    def values(self, output: np.ndarray, model: str) -> tuple[dict[str, Value], Registration | None]:
        """Returns what each metric gives for a model's output, and the registration behind it."""
        whole, output = output, shrink(output, LONG_SIDE)
        found = self._aligner.register(output)
        values: dict[str, Value] = dict.fromkeys((SHIFT.name, ZOOM.name), UNALIGNED)
        if found is not None:
            values |= {SHIFT.name: found.shift * self.scale, ZOOM.name: abs(found.zoom)}
        if self._faces and self.tools.faces is not None:
            values[IDENTITY.name] = identity_similarity(self._faces, self.tools.faces.faces(output))
        if self.lacking is not None:
            values |= dict.fromkeys(_kept(self.tools), self.lacking)
        elif self.region is not None and self._has_outside():
            region = self.region
            if self.places is not None:
                region = self._text_region(output, found, self.places.outputs[model], whole.shape[0])
            values |= dict.fromkeys(_kept(self.tools), NOWHERE)
            if region.any() and (~region).mean() >= LEAST_SHARE:
                values |= self._outside(output, found, ~region)
        moved = None if found is None else found._replace(dx=found.dx * self.scale, dy=found.dy * self.scale)
        return values, moved

    def _has_outside(self) -> bool:
        return self.region is not None and (~self.region).mean() >= LEAST_SHARE

    def _text_region(
        self, output: np.ndarray, found: Registration | None, boxes: Sequence[Box], height: int
    ) -> np.ndarray:
        """Returns where old and new text stand, the latter as the output lies and as it is moved back."""
        assert self.region is not None, "the place of old text"
        shape = self.source.shape[:2]
        written = text_region(boxes, output.shape[:2], output.shape[0] / height)
        drawn = np.repeat(np.uint8(255) * written[..., None], 3, axis=2)
        region = self.region | (resized_to(drawn, *shape).max(axis=2) >= MASKED)
        return region if found is None else region | (laid_back(drawn, found, shape)[0].max(axis=2) >= MASKED)

    def _outside(
        self, output: np.ndarray, found: Registration | None, outside: np.ndarray
    ) -> Mapping[str, Value]:
        picture, where, kept = self._nearest(output, found, outside)
        assert kept is not None, "the output as it is has all that lies outside"
        lpips, descriptor = self.tools.lpips, self.tools.descriptor
        pair = _blanked(self.source, picture, where)
        return {
            KEPT_PSNR.name: kept.psnr,
            KEPT_SSIM.name: kept.ssim,
            KEPT_MSE.name: kept.mse,
            KEPT_LPIPS.name: None if lpips is None else lpips.distance(*pair, where),
            KEPT_DESCRIPTOR.name: None if descriptor is None else _likeness(descriptor, *pair),
        }

    def _nearest(
        self, output: np.ndarray, found: Registration | None, outside: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Preservation | None]:
        """Returns the output as it is or moved back, whichever is nearer, which pixels count, and figures."""
        shape = self.source.shape[:2]
        as_it_is = resized_to(output, *shape)
        best = (as_it_is, outside, preservation(self.source, as_it_is, outside))
        if found is None or _is_still(found):
            return best
        back, shown = laid_back(output, found, shape)
        moved = (back, outside & shown, preservation(self.source, back, outside & shown))
        if best[2] is None or moved[2] is None or moved[2].mse >= best[2].mse:
            return best
        return moved


class _Compared(NamedTuple):
    """What an output comes to, by metric; how it is moved; whether it was read, and shrunk."""

    values: Mapping[str, Value]
    registration: Registration | None
    readable: bool
    shrunk: bool = False


def measure_auxiliary(
    items: Sequence[BenchItem],
    outputs: Mapping[str, Outputs],
    tools: AuxiliaryTools,
    *,
    folder: Path,
    progress: Progress,
    places: Mapping[str, TextPlaces] | None = None,
) -> AuxiliaryMetrics:
    """Returns the auxiliary metrics of every output; companions.jsonl contains them by sample.

    Args:
        items: of the suite.
        outputs: by model.
        tools: faces, descriptor, LPIPS, as far as there are weights.
        folder: of the run.
        progress: called with what is done.
        places: where edits of text belong, by sample; counts where there is neither mask nor truth.
    """
    places = places or {}
    found: list[dict[str, _Compared]] = []
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="companions") as pool:
        looked = pool.map(lambda item: _of_item(item, outputs, tools, places.get(item.sample_id)), items)
        for done, compared in enumerate(looked, start=1):
            found.append(compared)
            progress("compare with sources", done, len(items))
    records = [
        _record(model, item, one)
        for item, by_model in zip(items, found, strict=True)
        for model, one in by_model.items()
        if one.readable
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    (folder / "companions.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    names = {name for by_model in found for one in by_model.values() for name in one.values}
    shown = [metric for metric in METRICS if metric.name in names]
    rows: list[Mapping[str, Any]] = []
    for model in outputs:
        pairs = zip(items, found, strict=True)
        values = {item.sample_id: by_model[model].values for item, by_model in pairs}
        rows += measured_rows(model, items, values, shown)
    notes = _notes(records, shown, tools)
    by_text = sum(item.sample_id in places and item.mask is None and item.truth is None for item in items)
    if by_text:
        notes.append(
            f"{by_text} samples have neither mask nor truth: there the edit is where OCR finds the old text "
            "in the source and the new text in the output."
        )
    shrunk = sum(any(one.shrunk for one in by_model.values()) for by_model in found)
    if shrunk:
        notes.append(f"{shrunk} sources are over {LONG_SIDE:,} pixels long and were compared at that size.")
    return AuxiliaryMetrics(rows, shown, notes, {"companions": _facts(tools)})


def _of_item(
    item: BenchItem, outputs: Mapping[str, Outputs], tools: AuxiliaryTools, places: TextPlaces | None
) -> dict[str, _Compared]:
    """Returns what each model's output of an item comes to; the metrics are the same for all models."""
    try:
        against = _Item(item, tools, places)
    except (MissingPictureError, UnreadableImageError) as error:
        lack = Reading(State.MISSING_SOURCE, note=why_unread(item.sources[0].name, error))
        names = {SHIFT.name, ZOOM.name, *(_kept(tools) if item.mask or item.truth else ())}
        return {model: _Compared(dict.fromkeys(names, lack), None, readable=False) for model in outputs}
    found = {}
    for model, made in outputs.items():
        output = output_pixels(item, made)
        if isinstance(output, Reading):
            found[model] = _Compared(dict.fromkeys(against.applies(), output), None, readable=False)
        else:
            found[model] = _Compared(*against.values(output, model), readable=True, shrunk=against.scale > 1)
    return found


def _region(item: BenchItem) -> tuple[np.ndarray | None, Reading | None]:
    """Returns where an item may change, and why that can't be said where its mask or truth can't be read."""
    try:
        return edit_region(item, LONG_SIDE), None
    except (MissingPictureError, UnreadableImageError) as error:
        return None, Reading(State.MISSING_SOURCE, note=f"mask or known truth: {error}")


def _kept(tools: AuxiliaryTools) -> set[str]:
    """Returns the metrics of what lies outside an edit, as far as there are weights for them."""
    names = {KEPT_PSNR.name, KEPT_SSIM.name, KEPT_MSE.name}
    names |= set() if tools.lpips is None else {KEPT_LPIPS.name}
    return names | (set() if tools.descriptor is None else {KEPT_DESCRIPTOR.name})


def _record(model: str, item: BenchItem, compared: _Compared) -> dict[str, Any]:
    values = {metric.name: compared.values.get(metric.name) for metric in METRICS}
    figures = {name: None if isinstance(value, Reading) else value for name, value in values.items()}
    described = _described(compared.registration)
    return {"model": model, "id": item.sample_id, "figures": figures, "alignment": described}


def _is_still(found: Registration) -> bool:
    return found.shift < STILL_SHIFT and abs(found.zoom) < STILL_ZOOM and abs(found.turn) < STILL_TURN


def _described(found: Registration | None) -> dict[str, Any] | None:
    if found is None:
        return None
    values = found._asdict()
    return {name: values[name] for name in ("dx", "dy", "zoom", "turn", "matches", "share")}


def _blanked(source: np.ndarray, picture: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both images with one colour where nothing counts: the mean of what counts in the source."""
    colour = source[where].mean(axis=0).round().astype(np.uint8)
    return (
        np.where(where[..., None], source, colour).astype(np.uint8),
        np.where(where[..., None], picture, colour).astype(np.uint8),
    )


def _likeness(descriptor: "CopyDescriptor", first: np.ndarray, second: np.ndarray) -> float:
    vectors = descriptor.describe(np.stack([resize_to_square(first), resize_to_square(second)]))
    return float(np.clip(vectors[0] @ vectors[1], -1, 1))


def _facts(tools: AuxiliaryTools) -> dict[str, Any]:
    return {
        "faces": None if tools.faces is None else dict(tools.faces.identity),
        "descriptor": None if tools.descriptor is None else "copy descriptor",
        "lpips": None if tools.lpips is None else dict(tools.lpips.identity),
    }


def _notes(found: Sequence[Mapping[str, Any]], told: Sequence[Metric], tools: AuxiliaryTools) -> list[str]:
    notes = []
    lost = sum(record["alignment"] is None for record in found)
    if lost:
        notes.append(
            f"{lost} of {len(found)} outputs have too little in common with their source to tell a shift "
            "from a new picture; they have no figure of shift or zoom and count as missing there."
        )
    if KEPT_PSNR not in told:
        notes.append(
            "No sample says where its edit belongs, by mask, truth or text: nothing outside is measured."
        )
    missing = [name for name, tool in vars(tools).items() if tool is None]
    if missing:
        notes.append(f"Not measured because weights are missing (--weights NAME=DIR): {', '.join(missing)}.")
    return notes
