"""Pair synthesis: turns requests into targets, samples and texts, shard by shard (report 2.3)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from assets.engine.pool import map_shards
from assets.lake.contact_sheet import MAX_COLUMNS, LabelledRow, contact_sheet
from assets.lake.ids import content_id, digest
from assets.lake.images import StoredImage, read_images, write_image_shard
from assets.lake.kept import KEPT_IMAGES_PATH, image_shards
from assets.lake.lake import Lake
from assets.lake.schemas import SAMPLES, TEXTS
from assets.lake.steps import StepOutput
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.requests import EditRequest
from assets.synthesized.samples import Pair, Row, sample_rows, text_rows
from assets.synthesized.templates.catalogue import TEMPLATES
from models.common.pixels import decode, encode_png, shrink
from models.common.progress import Progress
from models.common.seeding import numpy_generator

VERSION = "3"
"""Incremented when the pixels of a template change, so that existing shards are made again."""

MIN_SOURCE_SIDE = 32
"""Pixels of the short side; in smaller images a word or a disc does not match its instruction."""

PREVIEW_PAIRS = MAX_COLUMNS // 4


@dataclass(frozen=True)
class Shard:
    """A unit of work: requests, the image shards of their sources, and the path of their targets.

    The path contains a digest of the requests, so that measures of these targets are never reused for others.
    """

    path: str
    destination: str
    requests: tuple[EditRequest, ...]
    shard_of: Mapping[str, str]


def synthesize(
    lake: Lake,
    requests: Sequence[EditRequest],
    destination: str,
    config: SynthesizedConfig,
    *,
    workers: int,
    progress: Progress,
) -> StepOutput:
    """Writes the targets, samples and texts of all requests, including inversions.

    A shard that was written for the same requests and settings is kept. A killed run loses at most the shards
    in progress, and after a restart the result equals that of an undisturbed run byte for byte.

    Args:
        lake: holds the sources in any image shard.
        requests: from `plan_requests`, or for a gap in the coverage.
        destination: name of the outputs: `images/<destination>/`, `samples/<destination>.parquet`.
        config: seed, image size and shard size.
        workers: number of processes.
        progress: called for each shard.

    Raises:
        KeyError: a source is in no image shard.
    """
    shards = _shards(lake, requests, destination, config)
    kept = {name for shard in shards for name in (shard.path, _marker(shard.path))}
    for stale in sorted(set(lake.list(f"images/{destination}")) - kept):
        lake.delete(stale)
    what = f"making pairs ({destination})"
    if all(_finished(lake, shard) for shard in shards):
        workers = 1  # only markers are read, which is not worth starting processes for
    made = map_shards(
        partial(make_shard, lake, config), shards, workers=workers, what=what, progress=progress
    )
    pairs = [pair for shard in made for pair in shard]
    samples, tables = _write_tables(lake, destination, pairs, config.seed)
    facts = {
        "pairs": len(pairs),
        "inversions": len(samples) - len(pairs),
        "too_small": len(set(requests)) - len(pairs),
        "by_template": _counts(samples),
    }
    files = (*(shard.path for shard in shards if lake.exists(shard.path)), *tables)
    preview = contact_sheet(_preview(lake, shards[:1], made[:1]))
    return StepOutput(files, len(samples), facts, preview)


def _write_tables(
    lake: Lake, destination: str, pairs: Sequence[Pair], seed: int
) -> tuple[list[Row], tuple[str, str]]:
    rows = (row for pair in pairs for row in sample_rows(pair, seed))
    samples = list({row["sample_id"]: row for row in rows}.values())
    texts = [row for sample in samples for row in text_rows(sample, seed)]
    tables = (f"samples/{destination}.parquet", f"texts/{destination}.parquet")
    for path, table_rows, schema in zip(tables, (samples, texts), (SAMPLES, TEXTS), strict=True):
        lake.write_table(path, pl.DataFrame(table_rows, schema=dict(schema), orient="row"), schema)
    return samples, tables


def make_shard(lake: Lake, config: SynthesizedConfig, shard: Shard) -> list[Pair]:
    """Returns the pairs of one shard, and makes them unless its marker exists.

    The marker is written last. Sources below `MIN_SOURCE_SIDE` pixels give no pair.
    """
    if not _finished(lake, shard):
        lake.write_checked(_marker(shard.path), {"pairs": _make_pairs(lake, config, shard)})
    done = lake.read_json(_marker(shard.path))
    by_key = {request.key: request for request in shard.requests}
    return [
        Pair(by_key[pair["key"]], tuple(pair["sources"]), pair["target"], pair["parameters"])
        for pair in done["pairs"]
    ]


def _finished(lake: Lake, shard: Shard) -> bool:
    """Returns whether the marker of a shard is intact, and its file exists unless it has no pairs."""
    marker = lake.read_checked(_marker(shard.path))
    return marker is not None and (lake.exists(shard.path) or not marker["pairs"])


def _make_pairs(lake: Lake, config: SynthesizedConfig, shard: Shard) -> list[dict[str, Any]]:
    source_ids = sorted({source for request in shard.requests for source in request.source_ids})
    files = read_images(lake, dict(shard.shard_of), source_ids)
    made: list[dict[str, Any]] = []
    stored: list[StoredImage] = []
    for request in shard.requests:
        sources = [_source(image_id, files[image_id], config) for image_id in request.source_ids]
        if min(min(source.pixels.shape[:2]) for source in sources) < MIN_SOURCE_SIDE:
            continue
        template = TEMPLATES[request.template]
        parameters = template.draw(numpy_generator(config.seed, "parameters", request.key))
        target = encode_png(template.apply([source.pixels for source in sources], parameters))
        copies = [(source.copy, f"{source.image_id}.png") for source in sources if source.copy is not None]
        for data, path in [*copies, (target, f"{request.key}.png")]:
            stored.append(StoredImage(data, path, shard.destination, request.license))
        ids = [source.image_id for source in sources]
        made.append({"key": request.key, "sources": ids, "target": content_id(target)})
        made[-1]["parameters"] = dict(parameters)
    if stored:
        write_image_shard(lake, shard.path, stored)
    return made


class _Source(NamedTuple):
    image_id: str
    pixels: np.ndarray
    copy: bytes | None  # the shrunk source, stored because both sides of a pair have the same size


def _source(image_id: str, data: bytes, config: SynthesizedConfig) -> _Source:
    pixels = decode(data)
    if max(pixels.shape[:2]) <= config.long_side:
        return _Source(image_id, pixels, None)
    small = shrink(pixels, config.long_side)
    copy = encode_png(small)
    return _Source(content_id(copy), small, copy)


def _shards(
    lake: Lake, requests: Sequence[EditRequest], destination: str, config: SynthesizedConfig
) -> list[Shard]:
    """Returns the requests in shards, sorted by the image shard of their source, so that each reads few."""
    own = f"images/{destination}/"
    shard_of = image_shards(lake, KEPT_IMAGES_PATH)
    sort_keys = {
        request: (shard_of[request.source_ids[0]], request.source_ids, request) for request in requests
    }
    ordered = sorted(sort_keys, key=sort_keys.__getitem__)
    shards = []
    for start in range(0, len(ordered), config.pairs_per_shard):
        part = tuple(ordered[start : start + config.pairs_per_shard])
        source_shards = {source: shard_of[source] for request in part for source in request.source_ids}
        plan = digest([VERSION, config.seed, config.long_side, part])[:8]
        shards.append(Shard(f"{own}shard-{len(shards):03d}-{plan}.parquet", destination, part, source_shards))
    return shards


def _preview(lake: Lake, shards: Sequence[Shard], made: Sequence[Sequence[Pair]]) -> list[LabelledRow]:
    rows: dict[str, list[np.ndarray]] = {}
    for shard, pairs in zip(shards, made, strict=True):
        previewed = list(_first_of_each(pairs))
        own = {image_id: shard.path for pair in previewed for image_id in (pair.target_id, *pair.source_ids)}
        shard_of = own | dict(shard.shard_of)
        files = read_images(lake, shard_of, sorted(own))
        for pair in previewed:
            images = rows.setdefault(pair.request.template, [])
            images += [decode(files[image_id], 96) for image_id in (*pair.source_ids, pair.target_id)]
    return [(f"{name}: sources, then target", images) for name, images in sorted(rows.items())]


def _first_of_each(pairs: Iterable[Pair]) -> Iterator[Pair]:
    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.request.template] = counts.get(pair.request.template, 0) + 1
        if counts[pair.request.template] <= PREVIEW_PAIRS:
            yield pair


def _counts(samples: Sequence[Row]) -> dict[str, int]:
    names = [sample["origin"]["template"] for sample in samples]
    return {name: names.count(name) for name in sorted(set(names))}


def _marker(path: str) -> str:
    return PurePosixPath(path).with_suffix(".json").as_posix()
