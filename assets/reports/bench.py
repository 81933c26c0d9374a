"""The benchmark asset (report 4): every registered stage on held-out edits with known truth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from assets.lake.images import read_images
from assets.lake.kept import (
    KEPT_IMAGES_PATH,
    PAIR_IMAGES_PATH,
    image_shards,
    read_kept_samples,
    read_kept_texts,
)
from assets.lake.lake import Lake
from assets.lake.paths import BENCH, BENCH_SUITE, CODEC, EVALUATOR, stage_folder
from assets.lake.steps import StepOutput, handed_on, require_manifest
from assets.training.config import Tracking
from benchmarks.config import BenchConfig
from benchmarks.suites.item import BenchItem, Picture, first_of_each_kind, picture_of_pixels
from benchmarks.suites.plain import LIST
from models.common.pixels import cover_crop, decode
from models.common.progress import Progress
from trainers.stages.registry import STAGE_NAMES

INSTRUCTION_KIND = "concise"


def run_bench(
    lake: Lake,
    config: BenchConfig,
    *,
    side: int,
    tracking: Tracking,
    text_encoder: Path | None,
    progress: Progress,
) -> StepOutput:
    """Writes every stage's outputs, `bench/scores.parquet` and the report in `bench/report`.

    Args:
        lake: holds held-out samples, the codec, the evaluator and the manifests of the stages.
        config: samples per kind, seed, sampling steps.
        side: side of the training images in pixels.
        tracking: MLflow server with the registered versions.
        text_encoder: folder of the text encoder; None looks for an installed one.
        progress: called for each batch.
    """
    from benchmarks.judges.evaluator import load_scorer
    from benchmarks.report.demo import run_benchmark
    from benchmarks.report.tracking import log_report
    from models.codecs.patch_codec import PatchCodec

    table, report = run_benchmark(
        bench_items(lake, config.samples_per_kind, side),
        _editors(lake, config, tracking),
        folder=lake.local_path(BENCH),
        codec=PatchCodec.from_pretrained(str(lake.local_path(CODEC))),
        evaluator=load_scorer(lake.local_path(EVALUATOR), text_encoder),
        config=config,
        progress=progress,
    )
    lake.write_table(f"{BENCH}/scores.parquet", table)
    figures = lake.read_json(f"{BENCH}/report/report.json")
    log_report(
        figures,
        report.page.parent,
        tracking_uri=tracking.uri,
        experiment=tracking.experiment,
        artifact_location=tracking.artifact_location,
    )
    facts = {
        "champion": report.champion,
        "challenger": report.challenger,
        "editors": [dict(row) for row in report.editors],
        "versions": stage_versions(lake),
        "kinds": figures["kinds"],
        "demand": figures["demand"]["demand"],
        "page": f"{BENCH}/report/{report.page.name}",
    }
    files = (
        *(f"{BENCH}/{name}" for name in ("scores.parquet", "report/report.json", "report/demand.json")),
        *_suite_files(lake),
        *handed_on(lake, "training_cache", f"{CODEC}/*"),  # the promotion measures errors with it
    )
    return StepOutput(files, table.height, facts, report.sheet.read_bytes())


def _suite_files(lake: Lake) -> Iterator[str]:
    """Yields the files of the stored suite, without images that an earlier suite left in its folder."""
    yield f"{BENCH_SUITE}/{LIST}"
    for line in lake.read_bytes(f"{BENCH_SUITE}/{LIST}").decode().split("\n"):
        row = json.loads(line) if line else {}
        for name in (*row.get("sources", ()), row.get("truth")):
            if name is not None:
                yield f"{BENCH_SUITE}/{name}"


def bench_items(lake: Lake, samples_per_kind: int, side: int) -> Iterator[BenchItem]:
    """Yields the items of the suite: kept held-out edits, cropped as in the cache."""
    samples = read_kept_samples(lake)
    edits = samples.filter((pl.col("split") == "heldout") & (pl.col("task") == "i2i")).with_columns(
        template=pl.col("origin").struct.field("template")
    )
    chosen = first_of_each_kind(dict(edits.select("sample_id", "template").iter_rows()), samples_per_kind)
    rows = edits.filter(pl.col("sample_id").is_in(chosen))
    instructions = _instructions(lake, chosen)
    needed = sorted({*rows["target_id"], *rows["source_ids"].explode()})
    files = read_images(lake, image_shards(lake, KEPT_IMAGES_PATH, PAIR_IMAGES_PATH), needed)
    for row in rows.iter_rows(named=True):
        yield BenchItem(
            sample_id=row["sample_id"],
            kind=row["template"],
            category=row["subcategory"],
            instruction=instructions[row["sample_id"]],
            sources=tuple(_crop(files, source, side) for source in row["source_ids"]),
            truth=_crop(files, row["target_id"], side),
            cluster=row["group_id"],
        )


def _crop(files: Mapping[str, bytes], image_id: str, side: int) -> Picture:
    return picture_of_pixels(image_id, cover_crop(decode(files[image_id]), side, side))


def _instructions(lake: Lake, samples: Sequence[str]) -> Mapping[str, str]:
    texts = read_kept_texts(lake).filter(
        pl.col("sample_id").is_in(list(samples))
        & (pl.col("kind") == INSTRUCTION_KIND)
        & (pl.col("lang") == "en")
    )
    first = texts.sort("sample_id", "text_id").unique("sample_id", keep="first")
    return dict(first.select("sample_id", "text").iter_rows())


def _editors(lake: Lake, config: BenchConfig, tracking: Tracking) -> Mapping[str, Any]:
    from benchmarks.editors.pipeline import PipelineEditor
    from models.registry.registry import version_folder

    editors = {}
    for stage, version in stage_versions(lake).items():
        weights = require_manifest(lake, stage).content_of([f"{stage_folder(stage)}/final/*"])
        editors[stage] = PipelineEditor(
            version_folder(version, name=tracking.model, tracking_uri=tracking.uri),
            identity=weights,
            seed=config.seed,
            steps=config.steps,
            size="source",
        )
    return editors


def stage_versions(lake: Lake) -> Mapping[str, str]:
    """Returns the registered version of each stage, in their order."""
    return {stage: require_manifest(lake, stage).facts["version"] for stage in STAGE_NAMES}
