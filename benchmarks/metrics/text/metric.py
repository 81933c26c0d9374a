"""The text metric over the outputs of some models: read, compare, say how far targets can be trusted."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.metrics.text.against_source import edit_score, gone_score
from benchmarks.metrics.text.normal import normal
from benchmarks.metrics.text.page import Page, upright_size
from benchmarks.metrics.text.places import Box, TextPlaces, boxes_of, changed_texts, written_texts
from benchmarks.metrics.text.score import BY_CHANCE, CASE_WEIGHT, DEFAULT_WEIGHTS, TextWeights, score_text
from benchmarks.metrics.text.targets import TextTarget
from benchmarks.parsing.reading import Reading, State
from benchmarks.protocols.protocol import Metric
from benchmarks.scoring.aggregate import RULES
from benchmarks.scoring.auxiliary import AuxiliaryMetrics
from benchmarks.scoring.measure_outputs import why_unread
from benchmarks.scoring.table import Value, measured_rows
from benchmarks.suites.item import BenchItem, MissingPictureError, read_limited
from benchmarks.suites.outputs import Outputs
from models.common.canonical import UnreadableImageError
from models.common.progress import Progress
from models.ocr.text_lines import TextLine
from models.ocr.text_reader import TextReader, read_file
from models.vlm.replies import Replies

STRICT = RULES["strict"]
OCR = Metric(
    "OCR",
    "Text as OCR reads it, 0 as in the source to 1",
    worst=0.0,
    best=1.0,
    official=STRICT,
    decimals=3,
)
GONE = Metric("text_gone", "Old text gone, 0 to 1", worst=0.0, best=1.0, official=STRICT, decimals=3)
STAYED = Metric("text_stayed", "Other text still there, 0 to 1", 0.0, 1.0, official=STRICT, decimals=3)
METRICS = (OCR, GONE, STAYED)

DEFINITION = (
    "The text metric is ours, after the report's description (4.2): the weighted mean of 1 - edits / length, "
    "the share of signs that are there in order, and the share of words that are right, in the best window "
    f"of what OCR reads; letters in the wrong case cost at most {CASE_WEIGHT:g}. The score is how far an "
    "output has come from its source to what was asked for, so the unedited source has 0. For a deletion it "
    "is 1 less what is left of the old text; a text that should move or change its size has to do so, and to "
    "stay readable. Where OCR cannot decide, a sample is unmeasured: colour, typeface and rotation of text, "
    "and text that is there already."
)
WORKERS = 2


@dataclass(frozen=True)
class TextMetric:
    """What the metric is computed from.

    Attributes:
        targets: of the items; those of other items are told and left out.
        reader: of the text in images.
        weights: of the parts of a score.
    """

    targets: Sequence[TextTarget]
    reader: TextReader
    weights: TextWeights = DEFAULT_WEIGHTS


@dataclass(frozen=True)
class _Case:
    """One item with its target, and what can be read in its source, which is looked at once if at all."""

    item: BenchItem
    target: TextTarget
    texts: "_Texts"
    weights: TextWeights = field(default=DEFAULT_WEIGHTS)

    @cached_property
    def source(self) -> Page:
        return self.texts.of(self.item.sources[0].read())

    @cached_property
    def source_places(self) -> Sequence[Box] | None:
        """Where texts stand that the edit changes; None where that can't be told."""
        changed = changed_texts(self.target)
        boxes = boxes_of(self.source.read, changed) if changed and self.lacking is None else []
        return boxes if boxes or self.target.op == "add" else None

    @cached_property
    def lacking(self) -> Reading | None:
        """Why nothing can be held against the source, where it is missing or broken."""
        try:
            _ = self.source
        except (MissingPictureError, UnreadableImageError) as error:
            return Reading(State.MISSING_SOURCE, note=why_unread(self.item.sources[0].name, error))
        return None

    @cached_property
    def applies(self) -> dict[str, Callable[[Page], Value]]:
        """How each metric is computed that an output of this item can have."""
        op, metrics = self.target.op, {OCR.name: self._edit}
        if op in ("delete", "replace") and self.target.old:
            metrics[GONE.name] = self._gone
        if op != "style" and self.target.keep and (self.lacking is not None or self._readable):
            metrics[STAYED.name] = self._stayed
        return metrics

    def values(self, page: Page) -> dict[str, Value]:
        """Returns what each metric that applies gives for an output."""
        return {name: self.lacking or measure(page) for name, measure in self.applies.items()}

    def _edit(self, page: Page) -> Value:
        return edit_score(self.target, self.item.instruction, self.source, page, self.weights)

    def _gone(self, page: Page) -> Value:
        return gone_score(self.target, self.source.lines, page.lines, self.weights)

    def _stayed(self, page: Page) -> Value:
        before = score_text(self.source.lines, self._readable, self.weights).score
        return min(1.0, score_text(page.lines, self._readable, self.weights).score / before)

    @cached_property
    def _readable(self) -> list[str]:
        lines, weights = self.source.lines, self.weights
        return [text for text in self.target.keep if score_text(lines, text, weights).score > BY_CHANCE]


class _Read(NamedTuple):
    """What an output comes to, by metric; if read, its line of text_scores.jsonl and places of new texts."""

    values: Mapping[str, Value]
    record: Mapping[str, Any] | None
    boxes: Sequence[Box] = ()


class _Texts:
    """What is read in images, each file once: kept in the folder of the run by content and reader."""

    def __init__(self, reader: TextReader, store: Replies) -> None:
        self._reader, self._store = reader, store
        self._version = json.dumps(dict(reader.identity), sort_keys=True)

    def of(self, data: bytes) -> Page:
        """Returns the lines of an image file: text, confidence and corners.

        Raises:
            UnreadableImageError: it does not decode.
        """
        key = hashlib.sha256(self._version.encode() + b"\0" + data).hexdigest()
        stored = self._store.get(key)
        if stored is None:
            stored = {
                "key": key,
                "state": "ok",
                "file_sha256": hashlib.sha256(data).hexdigest(),
                "reader": dict(self._reader.identity),
                "lines": [_stored(line) for line in read_file(self._reader, data)],
            }
            self._store.append(stored)
        return Page(stored["lines"], upright_size(data))


def _stored(line: TextLine) -> dict[str, Any]:
    corners = line.corners.round(1).tolist()
    return {"text": line.text, "confidence": round(line.confidence, 4), "corners": corners}


def measure_text(
    items: Sequence[BenchItem],
    outputs: Mapping[str, Outputs],
    metric: TextMetric,
    *,
    folder: Path,
    progress: Progress,
) -> AuxiliaryMetrics:
    """Returns the text metric of every model over the items that have a target.

    What was read is kept in texts.jsonl of the folder, so that changed targets cost no OCR; what came of it
    for each sample is in text_scores.jsonl.

    Args:
        items: of the suite.
        outputs: by model.
        metric: targets, reader and weights.
        folder: of the run.
        progress: called with what is done.

    Raises:
        RepliesBusyError: another run has the same folder.
    """
    store = Replies(folder / "texts.jsonl")
    try:
        texts = _Texts(metric.reader, store)
        cases = [_Case(item, target, texts, metric.weights) for item, target in _usable(items, metric)]
        found = list(_measured(cases, outputs, progress))
        places = dict(_places(cases, found))  # may read sources, so before the store is closed
    finally:
        store.close()
    records = [read.record for by_model in found for read in by_model.values() if read.record is not None]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    (folder / "text_scores.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows: list[Mapping[str, Any]] = []
    chosen = [case.item for case in cases]
    for model in outputs:
        pairs = zip(chosen, found, strict=True)
        values = {item.sample_id: by_model[model].values for item, by_model in pairs}
        rows += measured_rows(model, chosen, values, METRICS)
    return AuxiliaryMetrics(
        rows=rows,
        metrics=METRICS if chosen else (),
        notes=_notes(items, metric, cases),
        facts={"text_metric": _facts(metric, cases)},
        places=places,
    )


def _places(cases: Sequence[_Case], found: Sequence[Mapping[str, _Read]]) -> Iterator[tuple[str, TextPlaces]]:
    for case, by_model in zip(cases, found, strict=True):
        if case.source_places is not None:
            outputs = {model: read.boxes for model, read in by_model.items()}
            yield case.item.sample_id, TextPlaces(case.source_places, outputs)


def _usable(items: Sequence[BenchItem], metric: TextMetric) -> Iterator[tuple[BenchItem, TextTarget]]:
    by_id = {target.id: target for target in metric.targets}
    for item in items:
        target = by_id.get(item.sample_id)
        if target is None or target.review == "rejected" or not target.wanted:
            continue
        if not _unknown_signs(target, metric.reader):
            yield item, target


def _measured(
    cases: Sequence[_Case], outputs: Mapping[str, Outputs], progress: Progress
) -> Iterator[dict[str, _Read]]:
    """Yields what each model's output of an item comes to, in the order of the items."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="text") as pool:
        for done, read in enumerate(pool.map(lambda case: _of_case(case, outputs), cases), start=1):
            yield read
            progress("read text", done, len(cases))


def _of_case(case: _Case, outputs: Mapping[str, Outputs]) -> dict[str, _Read]:
    found = {}
    for model, made in outputs.items():
        seen = _page(case, made)
        if isinstance(seen, Reading):
            found[model] = _Read(dict.fromkeys(case.applies, seen), None)
            continue
        values = case.values(seen)
        figures = {metric.name: values.get(metric.name) for metric in METRICS}
        record = {
            "model": model,
            "id": case.item.sample_id,
            "op": case.target.op,
            "wanted": list(case.target.wanted),
            "review": case.target.review,
            "figures": {
                name: None if isinstance(value, Reading) else value for name, value in figures.items()
            },
            "parts": score_text(seen.lines, case.target.wanted, case.weights).record(),
            "lines": seen.lines,
        }
        found[model] = _Read(values, record, boxes_of(seen.read, written_texts(case.target)))
    return found


def _page(case: _Case, made: Outputs) -> Page | Reading:
    path = made.paths.get(case.item.sample_id)
    if path is None:
        return Reading(State.MISSING_OUTPUT, note=made.problems.get(case.item.sample_id, ""))
    try:
        return case.texts.of(read_limited(path))
    except (MissingPictureError, UnreadableImageError) as error:
        return Reading(State.MISSING_OUTPUT, note=why_unread(path.name, error))


def _facts(metric: TextMetric, cases: Sequence[_Case]) -> dict[str, Any]:
    reviews = Counter(target.review for target in metric.targets)
    return {
        "definition": DEFINITION,
        "weights": asdict(metric.weights),
        "case_weight": CASE_WEIGHT,
        "reader": dict(metric.reader.identity),
        "targets": {
            "scored": len(cases),
            "scored_unreviewed": sum(case.target.review == "proposed" for case in cases),
            **{review: reviews[review] for review in ("confirmed", "proposed", "rejected")},
        },
    }


def _notes(items: Sequence[BenchItem], metric: TextMetric, cases: Sequence[_Case]) -> list[str]:
    weights = metric.weights
    notes = [f"{DEFINITION} Weights: {weights.levenshtein:g}, {weights.completion:g}, {weights.words:g}."]
    proposed = sum(case.target.review == "proposed" for case in cases)
    if proposed:
        notes.append(
            f"{proposed} of {len(cases)} text targets are proposals of rules that nobody has reviewed; "
            "`emberline targets list` shows them."
        )
    empty = [target for target in metric.targets if target.review != "rejected" and not target.wanted]
    if empty:
        notes.append(f"{len(empty)} text targets name no text and are not scored, {empty[0].id} for one.")
    unknown = [
        (target, signs) for target in metric.targets if (signs := _unknown_signs(target, metric.reader))
    ]
    if unknown:
        notes.append(
            f"{len(unknown)} text targets have signs that this OCR never names and are not scored: "
            f"{unknown[0][0].id} has {unknown[0][1]!r}."
        )
    strangers = sorted({target.id for target in metric.targets} - {item.sample_id for item in items})
    if strangers:
        notes.append(f"{len(strangers)} text targets are of no sample of this suite, {strangers[0]} for one.")
    return notes


def _unknown_signs(target: TextTarget, reader: TextReader) -> str:
    return reader.cannot_read("".join(normal(text) for text in target.wanted))
