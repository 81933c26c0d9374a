"""The production engine: requests become targets, samples and their texts, shard by shard (report 2.3)."""

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
from assets.lake.images import StoredImage, read_image_table, read_images, write_image_shard
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

VERSION = "2"
"""Raised when a template's pixels change, so that shards written before are made again."""

SMALLEST_SOURCE = 32
"""Pixels of the short side; below it a word or a disc is no longer what its instruction says."""

PREVIEWED_PAIRS = MAX_COLUMNS // 4


@dataclass(frozen=True)
class Shard:
    """The engine's unit of work: some requests, where their sources lie, and where their targets go.

    The path holds a digest of the requests, so other requests never meet measures of these targets.
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
    """Writes the targets, samples and texts of all requests, with the inversions of what can be inverted.

    A shard that was written for the same requests and settings is kept, so a killed run loses at most the
    shards in hand, and what it leaves equals an undisturbed run byte for byte.

    Args:
        lake: holds the sources in any image shard.
        requests: from `plan_requests`, or for a gap in the coverage.
        destination: names the outputs, as in `images/<destination>/` and `samples/<destination>.parquet`.
        config: seed, sizes and shards.
        workers: processes.
        progress: told of each shard.

    Raises:
        KeyError: a source is in no image shard.
    """
    shards = _shards(lake, requests, destination, config)
    kept = {name for shard in shards for name in (shard.path, _marker(shard.path))}
    for stale in sorted(set(lake.list(f"images/{destination}")) - kept):
        lake.delete(stale)
    what = f"making pairs ({destination})"
    if all(_finished(lake, shard) for shard in shards):
        workers = 1  # nothing but markers to read, which is no reason to start processes
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
    for path, found, schema in zip(tables, (samples, texts), (SAMPLES, TEXTS), strict=True):
        lake.write_table(path, pl.DataFrame(found, schema=dict(schema), orient="row"), schema)
    return samples, tables


def make_shard(lake: Lake, config: SynthesizedConfig, shard: Shard) -> list[Pair]:
    """Returns the pairs of one shard, made now or, where its marker says so, before.

    The marker is written last. Sources below `SMALLEST_SOURCE` pixels give no pair.
    """
    if not _finished(lake, shard):
        lake.write_json(_marker(shard.path), {"pairs": _make(lake, config, shard)})
    done = lake.read_json(_marker(shard.path))
    by_key = {request.key: request for request in shard.requests}
    return [
        Pair(by_key[pair["key"]], tuple(pair["sources"]), pair["target"], pair["parameters"])
        for pair in done["pairs"]
    ]


def _finished(lake: Lake, shard: Shard) -> bool:
    """Returns whether the shard's marker is there, and so is the shard, unless it has no pair."""
    marker = _marker(shard.path)
    return lake.exists(marker) and (lake.exists(shard.path) or not lake.read_json(marker)["pairs"])


def _make(lake: Lake, config: SynthesizedConfig, shard: Shard) -> list[dict[str, Any]]:
    wanted = sorted({source for request in shard.requests for source in request.source_ids})
    files = read_images(lake, dict(shard.shard_of), wanted)
    made: list[dict[str, Any]] = []
    stored: list[StoredImage] = []
    for request in shard.requests:
        sources = [_source(image_id, files[image_id], config) for image_id in request.source_ids]
        if min(min(source.pixels.shape[:2]) for source in sources) < SMALLEST_SOURCE:
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
    copy: bytes | None  # a shrunk copy that has to be stored, as both sides of a pair have one size


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
    """Returns the requests in shards, ordered by where their sources lie, so that each reads few files."""
    own = f"images/{destination}/"
    stored = [path for path in lake.list("images", ".parquet") if not path.startswith(own)]
    table = read_image_table(lake, stored).unique("image_id", keep="first", maintain_order=True)
    shard_of = dict(table.select("image_id", "shard").rows())
    where = {request: (shard_of[request.source_ids[0]], request.source_ids, request) for request in requests}
    ordered = sorted(where, key=where.__getitem__)
    shards = []
    for start in range(0, len(ordered), config.pairs_per_shard):
        part = tuple(ordered[start : start + config.pairs_per_shard])
        lies = {source: shard_of[source] for request in part for source in request.source_ids}
        plan = digest([VERSION, config.seed, config.long_side, part])[:8]
        shards.append(Shard(f"{own}shard-{len(shards):03d}-{plan}.parquet", destination, part, lies))
    return shards


def _preview(lake: Lake, shards: Sequence[Shard], made: Sequence[Sequence[Pair]]) -> list[LabelledRow]:
    rows: dict[str, list[np.ndarray]] = {}
    for shard, pairs in zip(shards, made, strict=True):
        shown = list(_first_of_each(pairs))
        own = {image_id: shard.path for pair in shown for image_id in (pair.target_id, *pair.source_ids)}
        where = own | dict(shard.shard_of)
        wanted = sorted(set(own))
        files = read_images(lake, where, wanted)
        for pair in shown:
            pictures = rows.setdefault(pair.request.template, [])
            pictures += [decode(files[image_id], 96) for image_id in (*pair.source_ids, pair.target_id)]
    return [(f"{name}: sources, then target", pictures) for name, pictures in sorted(rows.items())]


def _first_of_each(pairs: Iterable[Pair]) -> Iterator[Pair]:
    seen: dict[str, int] = {}
    for pair in pairs:
        seen[pair.request.template] = seen.get(pair.request.template, 0) + 1
        if seen[pair.request.template] <= PREVIEWED_PAIRS:
            yield pair


def _counts(samples: Sequence[Row]) -> dict[str, int]:
    names = [sample["origin"]["template"] for sample in samples]
    return {name: names.count(name) for name in sorted(set(names))}


def _marker(path: str) -> str:
    return PurePosixPath(path).with_suffix(".json").as_posix()
