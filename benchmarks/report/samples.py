"""What a report shows of each sample: small images, scores and the replies of the judge."""

import base64
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from markupsafe import escape

from benchmarks.parsing.reading import State
from benchmarks.protocols.protocol import Metric
from benchmarks.report.galleries import Gallery
from benchmarks.suites.item import BenchItem, MissingPictureError, Picture, picture_of_file
from benchmarks.suites.outputs import Outputs
from benchmarks.suites.thumbnails import LARGE, ThumbnailCache, fitted_webp
from models.common.canonical import UnreadableImageError, read_header
from models.vlm.replies import Replies

PAGE_BYTES = 14_000_000
"""What all listed images of a page may take as base64."""

TEXT_BYTES = 4_000_000
"""What all replies of a page may take as HTML; with images and galleries a page stays under 25 MB."""

GALLERY_BYTES = 12_000
"""Of one image in a gallery, before base64."""

SMALL = 96
"""Long side in pixels of images in a long list."""

REPLY_SHOWN, REPLY_BYTES = 1500, 6000
"""Characters of a reply on the page, and bytes of its HTML, at most; the store has all of it."""

WORKERS, AHEAD = 2, 16
"""Threads that draw samples, and how many samples may be drawn before they are written."""


class _Room(NamedTuple):
    """What a sample may take: the long side and bytes of an image, and bytes of a reply as HTML."""

    side: int
    picture_bytes: int
    reply_bytes: int


class Shown(NamedTuple):
    """An image on a page, with its size, so that nothing moves when it is loaded late."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class SampleViews:
    """Draws samples for a page, a few at a time.

    Attributes:
        items: of the suite, in the order of the page.
        outputs: by model, in reading order.
        metrics: what is shown of each output.
        scores: rows of `benchmarks.scoring.table.SCORES`.
        thumbnails: of all files.
        replies: the store, None where no judge was asked.
        galleries: shown above the list.
        listed: ids of the samples in the long list; None: all.
    """

    items: Sequence[BenchItem]
    outputs: Mapping[str, Outputs]
    metrics: Sequence[Metric]
    scores: pl.DataFrame
    thumbnails: ThumbnailCache
    replies: Replies | None
    galleries: Sequence[Gallery]
    listed: Sequence[str] | None = None

    def all(self) -> Iterator[dict[str, Any]]:
        """Yields every listed sample, in images small enough for the page to hold all of them."""
        items = self._listed_items()
        pictures = sum(_picture_count(item) + len(self.outputs) for item in items)
        max_bytes = min(GALLERY_BYTES, PAGE_BYTES * 3 // 4 // max(pictures, 1))
        side = LARGE if max_bytes == GALLERY_BYTES else SMALL
        reply_bytes = min(REPLY_BYTES, TEXT_BYTES // max(self._reply_count(items), 1))
        yield from self._drawn(items, _Room(side, max_bytes, reply_bytes))

    def draw_galleries(self) -> Iterator[dict[str, Any]]:
        """Yields the galleries: title and samples."""
        by_id = {item.sample_id: item for item in self.items}
        for gallery in self.galleries:
            items = [by_id[sample_id] for sample_id in gallery.sample_ids]
            yield {
                "title": gallery.title,
                "samples": list(self._drawn(items, _Room(LARGE, GALLERY_BYTES, REPLY_BYTES))),
            }

    def anchors(self) -> dict[str, str]:
        """Returns the place of each sample on the page by its id."""
        return {item.sample_id: f"s{number}" for number, item in enumerate(self.items)}

    def listed_anchors(self) -> set[str]:
        """Returns the places that the page has."""
        anchors = self.anchors()
        return {anchors[item.sample_id] for item in self._listed_items()}

    def _listed_items(self) -> list[BenchItem]:
        wanted = None if self.listed is None else set(self.listed)
        return [item for item in self.items if wanted is None or item.sample_id in wanted]

    def _reply_count(self, items: Sequence[BenchItem]) -> int:
        if self.replies is None:
            return 0
        shown = self.scores.filter(pl.col("sample_id").is_in([item.sample_id for item in items]))
        return shown.select("model", "sample_id", "replies").explode("replies").unique().height

    def _drawn(self, items: Sequence[BenchItem], room: _Room) -> Iterator[dict[str, Any]]:
        anchors = self.anchors()
        rows = _rows_by_sample(self.scores, {item.sample_id for item in items})

        def draw(item: BenchItem) -> dict[str, Any]:
            return self._sample(item, anchors[item.sample_id], rows.get(item.sample_id, {}), room)

        with ThreadPoolExecutor(WORKERS, thread_name_prefix="draw") as pool:
            waiting: deque[Future[dict[str, Any]]] = deque()
            for item in items:
                waiting.append(pool.submit(draw, item))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _sample(
        self, item: BenchItem, anchor: str, rows: Mapping[str, Sequence[Any]], room: _Room
    ) -> dict[str, Any]:
        def shown(picture: Picture | None) -> Shown | None:
            return self._shown(picture, room.side, room.picture_bytes)

        return {
            "sample_id": item.sample_id,
            "anchor": anchor,
            "task": item.kind,
            "instruction": item.instruction,
            "lang": language(item.instruction),
            "sources": [shown(picture) for picture in item.sources],
            "truth": shown(item.truth),
            "outputs": [
                self._output(
                    model, rows.get(model, ()), shown(_output_picture(outputs, item)), room.reply_bytes
                )
                for model, outputs in self.outputs.items()
            ],
        }

    def _output(
        self, model: str, rows: Sequence[Any], shown: Shown | None, reply_bytes: int
    ) -> dict[str, Any]:
        return {
            "model": model,
            "shown": shown,
            "figures": [text for metric in self.metrics if (text := _figure_text(metric, rows))],
            "states": sorted(
                {(row["view"], row["state"], row["note"]) for row in rows if row["state"] != State.OK}
            ),
            "replies": self._replies(rows, reply_bytes),
        }

    def _replies(self, rows: Sequence[Any], max_bytes: int) -> list[dict[str, str]]:
        if self.replies is None:
            return []
        keys = dict.fromkeys(key for row in rows for key in row["replies"])
        records = [record for key in keys if (record := self.replies.get(key)) is not None]
        return [
            {
                "key": record["key"],
                "question": record["place"][2],
                "state": record["state"],
                "reply": shortened(record["reply"] or record["note"], max_bytes),
            }
            for record in records
        ]

    def _shown(self, picture: Picture | None, side: int, max_bytes: int) -> Shown | None:
        if picture is None:
            return None
        try:
            pixels = self.thumbnails.read(self.thumbnails.add(picture.read()))
        except (MissingPictureError, UnreadableImageError):
            return None
        data = fitted_webp(pixels, side=side, max_bytes=max_bytes)
        width, height = read_header(data)[1:3]
        return Shown("data:image/webp;base64," + base64.b64encode(data).decode(), width, height)


def language(instruction: str) -> str:
    """Returns the language of an instruction for a page's `lang`, so that a screen reader speaks it right."""
    return "zh" if re.search(r"[\u3400-\u9fff]", instruction) else "en"


def _figure_text(metric: Metric, rows: Sequence[Any]) -> str:
    """Returns the figure of an output: one number if the scoring modes agree as shown, else one for each."""
    by_view: dict[str, list[float]] = {}
    for row in rows:
        if row["measure"] == metric.name and row["state"] == State.OK:
            by_view.setdefault(row["view"], []).append(float(np.mean(row["values"])))
    texts = {view: f"{np.mean(values):.{metric.decimals}f}" for view, values in by_view.items()}
    if len(set(texts.values())) <= 1:
        return f"{metric.name} {next(iter(texts.values()))}" if texts else ""
    return f"{metric.name} " + ", ".join(f"{text} {view}" for view, text in texts.items())


def _rows_by_sample(scores: pl.DataFrame, wanted: set[str]) -> dict[str, dict[str, list[Any]]]:
    columns = ["model", "sample_id", "measure", "view", "state", "values", "note", "replies"]
    nested: dict[str, dict[str, list[Any]]] = {}
    for row in scores.filter(pl.col("sample_id").is_in(list(wanted))).select(columns).iter_rows(named=True):
        nested.setdefault(row["sample_id"], {}).setdefault(row["model"], []).append(row)
    return nested


def _output_picture(outputs: Outputs, item: BenchItem) -> Picture | None:
    path: Path | None = outputs.paths.get(item.sample_id)
    return None if path is None else picture_of_file(path)


def _picture_count(item: BenchItem) -> int:
    return len(item.sources) + (item.truth is not None)


def shortened(text: str, max_bytes: int) -> str:
    """Returns what a page shows of a reply: its beginning, in at most so many bytes of HTML, and a length."""
    shown = text[:REPLY_SHOWN]
    while (size := len(escape(shown).encode())) > max_bytes:
        shown = shown[: min(len(shown) - 1, len(shown) * max_bytes // size)]
    return text if shown == text else f"{shown}… ({len(text):,} characters)"
