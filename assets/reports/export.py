"""Writes the figures of a home to small files for Git and DVC. Equal runs give equal bytes."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.lake.lake import Lake
from assets.lake.steps import Manifest, MissingInputError, read_manifests
from models.common.files import write_atomically
from trainers.stages.registry import STAGE_NAMES

DIGITS = 6
EVALUATOR_FIGURES = ("auc", "auc_instruction_only", "auc_pictures_only")
STAGE_FIGURES = ("steps", "first_validation_loss", "last_validation_loss")
LOSS_COLUMNS = ("step", "validation_loss", "loss", "gradient_norm")
EDITOR_FIGURES = ("model_error", "copy_error", "of_copying", "share_beating_copying")

LOSSES_FOLDER = "losses"
KINDS_FILE = "kinds.csv"
METRICS_FILE = "metrics.json"
MANIFESTS_FILE = "manifests.json"


def export_results(lake: Lake, assets: Sequence[str], folder: Path) -> list[Path]:
    """Writes the results of assets to a folder; returns the files in the order in which they were written.

    `manifests.json` lists every file of the assets with its SHA-256, in place of the data, which stays in the
    home. `metrics.json` contains figures. If a training stage or the benchmark is among the assets,
    `losses/<stage>.csv` and `kinds.csv` contain the data of plots.

    Raises:
        MissingInputError: an asset has not run.
    """
    manifests_of = {asset: read_manifests(lake, asset) for asset in assets}
    missing = [asset for asset, manifests in manifests_of.items() if not manifests]
    if missing:
        raise MissingInputError(f"{lake.root} lacks {', '.join(missing)}. Run them first.")
    facts = {asset: manifests[-1].facts for asset, manifests in manifests_of.items()}
    files = {
        MANIFESTS_FILE: _json(
            {asset: [_record(one) for one in manifests] for asset, manifests in manifests_of.items()}
        ),
        METRICS_FILE: _json(_rounded(dict(_metrics(facts)))),
        **{
            f"{LOSSES_FOLDER}/{stage}.csv": _csv(LOSS_COLUMNS, facts[stage]["losses"])
            for stage in STAGE_NAMES
            if stage in facts
        },
    }
    if "bench_report" in facts:
        files[KINDS_FILE] = _csv(("kind", "copying", *STAGE_NAMES), _kinds(facts["bench_report"]["kinds"]))
    for name, text in files.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in files]


def _record(manifest: Manifest) -> Mapping[str, Any]:
    fields = ("name", "version", "fingerprint", "rows", "inputs", "files")
    return {name: getattr(manifest, name) for name in fields}


def _metrics(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    if "funnel" in facts:
        yield "funnel", {row.pop("stage"): row for row in map(dict, facts["funnel"]["funnel"])}
        yield "filters", facts["funnel"]["filters"] or {}
    if "longtail" in facts:
        yield "coverage", facts["longtail"]["coverage"]
    if "evaluator" in facts:
        yield "evaluator", {name: facts["evaluator"][name] for name in EVALUATOR_FIGURES}
    for stage in STAGE_NAMES:
        if stage in facts:
            yield stage, {name: facts[stage][name] for name in STAGE_FIGURES}
    if "bench_report" in facts:
        for row in facts["bench_report"]["editors"]:
            yield row["editor"], {name: row[name] for name in EDITOR_FIGURES}


def _kinds(kinds: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "copying": figures[STAGE_NAMES[0]]["copy_error"],
            **{stage: figures[stage]["model_error"] for stage in STAGE_NAMES},
        }
        for kind, figures in sorted(kinds.items())
    ]


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rounded(dict(row)) for row in rows)
    return stream.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
