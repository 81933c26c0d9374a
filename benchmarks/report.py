"""The report of a run: one page that needs nothing else, the same figures as JSON, and a contact sheet."""

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from benchmarks.runner import read_output
from benchmarks.scoring import editor_table, errors_by_kind, kind_table, ranking
from benchmarks.sheet import contact_sheet
from benchmarks.suites.item import BenchItem
from models.pixels import shrink

THUMBNAIL = 256
"""Long side in pixels of a picture on the page."""

EXTREMES = 6
"""How many of the champion's best and of its worst samples are listed first."""


@dataclass(frozen=True)
class Report:
    """Where a report lies, and its headline."""

    page: Path
    figures: Path
    sheet: Path
    champion: str
    challenger: str | None
    editors: pl.DataFrame
    kinds: pl.DataFrame


def write_report(
    folder: Path,
    *,
    title: str,
    items: Sequence[BenchItem],
    outputs: Mapping[str, Mapping[str, Path]],
    scores: pl.DataFrame,
    settings: Mapping[str, Mapping[str, Any]],
    shown_per_kind: int,
) -> Report:
    """Returns the report of some editors over one suite, written as index.html, report.json and sheet.jpg.

    Args:
        folder: made if missing.
        title: of the page.
        items: from `checked_suite`.
        outputs: editor to sample id to file, from `run_editor`.
        scores: rows of `benchmarks.scoring.SCORES`, editors in reading order.
        settings: editor to what decided its outputs.
        shown_per_kind: samples of each kind in the gallery, spread from the champion's best to its worst.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = kind_table(scores)
    editors = editor_table(kinds)
    ranked = ranking(editors)
    shown = gallery(scores.filter(pl.col("editor") == ranked[0]), shown_per_kind)
    report = Report(
        page=folder / "index.html",
        figures=folder / "report.json",
        sheet=folder / "sheet.jpg",
        champion=ranked[0],
        challenger=ranked[1] if len(ranked) > 1 else None,
        editors=editors,
        kinds=kinds,
    )
    figures = {
        "champion": report.champion,
        "challenger": report.challenger,
        "editors": {row.pop("editor"): row for row in editors.to_dicts()},
        "kinds": errors_by_kind(kinds),
        "settings": {name: dict(values) for name, values in settings.items()},
    }
    report.figures.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    samples = _samples(items, outputs, scores, shown)
    report.page.write_text(_page(title, report, samples, settings), encoding="utf-8")
    report.sheet.write_bytes(_sheet(items, outputs, shown))
    return report


def gallery(champion: pl.DataFrame, shown_per_kind: int) -> dict[str, list[str]]:
    """Returns kind to sample ids, from the best to the worst, evenly spread where there are more.

    Args:
        champion: the champion's rows of `benchmarks.scoring.SCORES`.
        shown_per_kind: at most so many ids of each kind; the best and the worst are always among them.
    """
    chosen = {}
    for (kind,), rows in champion.sort("kind", "model_error", "sample_id").group_by(
        "kind", maintain_order=True
    ):
        ids = rows["sample_id"].to_list()
        places = np.linspace(0, len(ids) - 1, min(shown_per_kind, len(ids))).round().astype(int)
        chosen[str(kind)] = [ids[place] for place in places]
    return chosen


def _page(
    title: str,
    report: Report,
    samples: Sequence[dict[str, Any]],
    settings: Mapping[str, Mapping[str, Any]],
) -> str:
    environment = Environment(
        loader=PackageLoader("benchmarks"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    by_gain = sorted(samples, key=lambda sample: (sample["champion_of_copying"], sample["sample_id"]))
    return environment.get_template("report.html").render(
        title=title,
        champion=report.champion,
        challenger=report.challenger,
        editors=report.editors.to_dicts(),
        worst_error=max(*report.editors["model_error"], report.editors["copy_error"][0]) or 1.0,
        kinds=[
            {"kind": kind, "category": rows["category"][0], "rows": rows.to_dicts()}
            for (kind,), rows in report.kinds.sort("kind", maintain_order=True).group_by(
                "kind", maintain_order=True
            )
        ],
        best=by_gain[:EXTREMES],
        worst=by_gain[::-1][:EXTREMES],
        samples=samples,
        settings=settings,
    )


def _samples(
    items: Sequence[BenchItem],
    outputs: Mapping[str, Mapping[str, Path]],
    scores: pl.DataFrame,
    shown: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    by_id = {item.sample_id: item for item in items}
    champion = ranking(editor_table(kind_table(scores)))[0]
    figures = {(row["editor"], row["sample_id"]): row for row in scores.iter_rows(named=True)}
    samples = []
    for item in (by_id[sample_id] for ids in shown.values() for sample_id in ids):
        own = figures[champion, item.sample_id]
        samples.append(
            {
                "sample_id": item.sample_id,
                "kind": item.kind,
                "instruction": item.instruction,
                "lang": language(item.instruction),
                "copy_error": own["copy_error"],
                "champion_of_copying": own["model_error"] / max(own["copy_error"], 1e-12),
                "sources": [data_uri(source) for source in item.sources],
                "truth": data_uri(item.truth),
                "outputs": [
                    {
                        "figures": figures[name, item.sample_id],
                        "uri": data_uri(read_output(paths[item.sample_id])),
                    }
                    for name, paths in outputs.items()
                ],
            }
        )
    return samples


def language(instruction: str) -> str:
    """Returns the language of an instruction for a page's `lang`, so that a screen reader speaks it right."""
    return "zh" if re.search(r"[\u3400-\u9fff]", instruction) else "en"


def data_uri(pixels: np.ndarray) -> str:
    """Returns a picture (H, W, 3) uint8 as a WebP thumbnail inside an address."""
    stream = io.BytesIO()
    Image.fromarray(shrink(pixels, THUMBNAIL)).save(stream, format="WEBP", quality=85, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _sheet(
    items: Sequence[BenchItem], outputs: Mapping[str, Mapping[str, Path]], shown: Mapping[str, Sequence[str]]
) -> bytes:
    by_id = {item.sample_id: item for item in items}
    rows = []
    for kind, ids in shown.items():
        item = by_id[ids[len(ids) // 2]]  # the middle one, neither the best nor the worst
        made = [read_output(paths[item.sample_id]) for paths in outputs.values()]
        rows.append((kind, [item.sources[0], *made, item.truth]))
    return contact_sheet(["source", *outputs, "truth"], rows)
