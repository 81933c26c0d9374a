"""What an output did to its source besides the edit: moved it, zoomed it, changed the rest, lost a face."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.aggregate import RULES
from benchmarks.companions.alignment import Aligner, Alignment, laid_back, resized_to
from benchmarks.companions.preservation import LEAST_SHARE, Preservation, preservation
from benchmarks.companions.region import edit_region
from benchmarks.protocols.protocol import Measure
from benchmarks.scores import measured_rows
from benchmarks.suites.item import BenchItem, MissingPictureError, picture_of_file
from benchmarks.suites.outputs import Outputs
from benchmarks.unjudged import Unjudged
from models.faces import Face, FaceReader, identity_similarity
from models.pair_metrics import PSNR_CAP
from models.pixels import UnreadableImageError
from models.progress import Progress
from models.thumbnail import squeeze

if TYPE_CHECKING:  # both load torch, which a run of stored replies has no use for
    from models.descriptor import CopyDescriptor
    from models.lpips import Lpips

STRICT = RULES["strict"]
SHIFT = Measure("shift", "Shift of the picture, pixels of the source", worst=None, best=0.0, official=STRICT)
ZOOM = Measure("zoom", "Zoom of the picture either way, percent", worst=None, best=0.0, official=STRICT)
KEPT_PSNR = Measure("kept_psnr", "PSNR outside the edit, dB", 0.0, PSNR_CAP, STRICT, decimals=1)
KEPT_SSIM = Measure("kept_ssim", "SSIM outside the edit", -1.0, 1.0, STRICT, decimals=3)
KEPT_MSE = Measure("kept_mse", "Mean squared difference outside the edit", 255.0**2, 0.0, STRICT, decimals=1)
KEPT_LPIPS = Measure("kept_lpips", "LPIPS outside the edit", None, 0.0, STRICT, decimals=3)
KEPT_DESCRIPTOR = Measure(
    "kept_descriptor", "Cosine of copy descriptors outside the edit", -1.0, 1.0, STRICT, decimals=3
)
IDENTITY = Measure("identity", "Likeness of faces, 0 to 1", 0.0, 1.0, STRICT, decimals=3)
MEASURES = (SHIFT, ZOOM, KEPT_PSNR, KEPT_SSIM, KEPT_MSE, KEPT_LPIPS, KEPT_DESCRIPTOR, IDENTITY)

STILL_SHIFT, STILL_ZOOM, STILL_TURN = 0.1, 0.02, 0.02
"""Pixels, percent and degrees below which a picture hasn't moved: moving it back would only blur it."""

WORKERS = 2


@dataclass(frozen=True)
class Tools:
    """What needs weights that nobody ships with this; None is not measured, and the report says so."""

    faces: FaceReader | None = None
    descriptor: "CopyDescriptor | None" = None
    lpips: "Lpips | None" = None


class _Item:
    """One item, its source looked at once for all models."""

    def __init__(self, item: BenchItem, tools: Tools) -> None:
        self.source = item.sources[0].pixels()
        self.region = edit_region(item)
        self.tools = tools
        self._aligner = Aligner(self.source, self.region)
        self._faces: list[Face] | None = None if tools.faces is None else tools.faces.faces(self.source)

    def applies(self) -> set[str]:
        """Returns the measures that an output of this item can have."""
        names = {SHIFT.name, ZOOM.name}
        if self.region is not None and (~self.region).mean() >= LEAST_SHARE:
            names |= {KEPT_PSNR.name, KEPT_SSIM.name, KEPT_MSE.name}
            names |= set() if self.tools.lpips is None else {KEPT_LPIPS.name}
            names |= set() if self.tools.descriptor is None else {KEPT_DESCRIPTOR.name}
        return names | ({IDENTITY.name} if self._faces else set())

    def record(self, output: np.ndarray) -> dict[str, Any]:
        """Returns figures by measure, and the alignment behind them."""
        found = self._aligner.align(output)
        figures: dict[str, float | None] = dict.fromkeys(measure.name for measure in MEASURES)
        if found is not None:
            figures |= {SHIFT.name: found.shift, ZOOM.name: abs(found.zoom)}
        if self._faces and self.tools.faces is not None:
            figures[IDENTITY.name] = identity_similarity(self._faces, self.tools.faces.faces(output))
        if self.region is not None:
            figures |= self._outside(output, found, ~self.region)
        return {"figures": figures, "alignment": _described(found)}

    def _outside(
        self, output: np.ndarray, found: Alignment | None, outside: np.ndarray
    ) -> dict[str, float | None]:
        picture, where, kept = self._nearest(output, found, outside)
        if kept is None:
            return {}
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
        self, output: np.ndarray, found: Alignment | None, outside: np.ndarray
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


def measure_companions(
    items: Sequence[BenchItem],
    outputs: Mapping[str, Outputs],
    tools: Tools,
    *,
    folder: Path,
    progress: Progress,
) -> Unjudged:
    """Returns what can be measured of every output against its source; companions.jsonl has it by sample.

    Args:
        items: of the suite.
        outputs: by model.
        tools: faces, descriptor, LPIPS, as far as there are weights.
        folder: of the run.
        progress: told what is done.
    """
    found: list[dict[str, Any]] = []
    applies: dict[str, set[str]] = {}
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="companions") as pool:
        looked = pool.map(lambda item: _of_item(item, outputs, tools), items)
        for done, (item, (names, records)) in enumerate(zip(items, looked, strict=True), start=1):
            applies[item.sample_id] = names
            found += records
            progress("compare with sources", done, len(items))
    lines = [json.dumps(record, ensure_ascii=False) for record in found]
    (folder / "companions.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    told = [measure for measure in MEASURES if any(measure.name in names for names in applies.values())]
    rows: list[Mapping[str, Any]] = []
    for model in outputs:
        values = {record["id"]: record["figures"] for record in found if record["model"] == model}
        for measure in told:
            chosen = [item for item in items if measure.name in applies[item.sample_id]]
            rows += measured_rows(model, chosen, values, [measure])
    return Unjudged(rows, told, _notes(found, told, tools), {"companions": _facts(tools)})


def _of_item(
    item: BenchItem, outputs: Mapping[str, Outputs], tools: Tools
) -> tuple[set[str], list[dict[str, Any]]]:
    """Returns which measures apply to an item, and a record for each output that can be read."""
    try:
        against = _Item(item, tools)
    except (MissingPictureError, UnreadableImageError):
        return set(), []
    records = [
        {"model": model, "id": item.sample_id, **against.record(output)}
        for model, output in _readable(item, outputs)
    ]
    return against.applies(), records


def _readable(item: BenchItem, outputs: Mapping[str, Outputs]) -> Iterator[tuple[str, np.ndarray]]:
    for model, found in outputs.items():
        path = found.paths.get(item.sample_id)
        if path is not None:
            try:
                output = picture_of_file(path).pixels()
            except (MissingPictureError, UnreadableImageError):
                continue
            yield model, output


def _is_still(found: Alignment) -> bool:
    return found.shift < STILL_SHIFT and abs(found.zoom) < STILL_ZOOM and abs(found.turn) < STILL_TURN


def _described(found: Alignment | None) -> dict[str, Any] | None:
    if found is None:
        return None
    values = found._asdict()
    return {name: values[name] for name in ("dx", "dy", "zoom", "turn", "matches", "share")}


def _blanked(source: np.ndarray, picture: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both pictures with one colour where nothing counts: the mean of what counts in the source."""
    colour = source[where].mean(axis=0).round().astype(np.uint8)
    return (
        np.where(where[..., None], source, colour).astype(np.uint8),
        np.where(where[..., None], picture, colour).astype(np.uint8),
    )


def _likeness(descriptor: "CopyDescriptor", first: np.ndarray, second: np.ndarray) -> float:
    vectors = descriptor.describe(np.stack([squeeze(first), squeeze(second)]))
    return float(np.clip(vectors[0] @ vectors[1], -1, 1))


def _facts(tools: Tools) -> dict[str, Any]:
    return {
        "faces": None if tools.faces is None else dict(tools.faces.identity),
        "descriptor": None if tools.descriptor is None else "copy descriptor",
        "lpips": None if tools.lpips is None else dict(tools.lpips.identity),
    }


def _notes(found: Sequence[Mapping[str, Any]], told: Sequence[Measure], tools: Tools) -> list[str]:
    notes = []
    lost = sum(record["alignment"] is None for record in found)
    if lost:
        notes.append(
            f"{lost} of {len(found)} outputs have too little in common with their source to tell a shift "
            "from a new picture; they have no figure of shift or zoom."
        )
    if KEPT_PSNR not in told:
        notes.append("No sample says where its edit belongs, by mask or truth: nothing outside is measured.")
    missing = [name for name, tool in vars(tools).items() if tool is None]
    if missing:
        notes.append(f"Not measured for want of weights (--weights NAME=PATH): {', '.join(missing)}.")
    return notes
