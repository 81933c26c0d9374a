"""One refill round: which edits of which images would fill the gap (report 2.4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from assets.engine.measure import read_measures
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR, COVERAGE_PATH
from assets.lake.schemas import SAMPLES
from assets.lake.steps import StepOutput
from assets.longtail.config import REFILLED, LongtailConfig
from assets.longtail.coverage import COVERAGE, counts_by_category
from assets.measured.descriptor import descriptor_measure
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.requests import EditRequest, edit_request, plan_requests
from assets.synthesized.synthesize import synthesize
from assets.synthesized.templates.catalogue import TEMPLATES
from benchmarks.report.demand import read_demand
from models.common.progress import Progress


def refill(
    lake: Lake,
    kept: pl.DataFrame,
    shards: Sequence[str],
    config: LongtailConfig,
    synthesized: SynthesizedConfig,
    *,
    workers: int,
    progress: Progress,
) -> StepOutput:
    """Makes the pairs of one refill round, as `longtail`; the facts hold the coverage before and after.

    What a demand file asks for and no template makes is left out, and is in the facts as `not_made`.

    Args:
        lake: holds the coverage, the descriptors of the ingested images and the synthesized samples.
        kept: images that survived, with image_id, group_id, split and license.
        shards: those of the ingested images.
        config: how many pairs, or the demand file that says how many of which.
        synthesized: the production engine's settings, and with them what it made before.
        workers: processes.
        progress: told of each shard.

    Raises:
        ValueError: the demand file is none.
    """
    demand, not_made = wanted(lake.read_table(COVERAGE_PATH, COVERAGE), config, synthesized.templates)
    vectors = image_vectors(lake, shards, kept["image_id"].to_list())
    requests = plan_refill(
        plan_requests(kept, synthesized), kept, vectors, demand=demand, templates=synthesized.templates
    )
    before = counts_by_category(lake.read_table("samples/synthesized.parquet", SAMPLES))
    made = synthesize(lake, requests, REFILLED, synthesized, workers=workers, progress=progress)
    added = counts_by_category(lake.read_table(f"samples/{REFILLED}.parquet", SAMPLES))
    counts = {
        category: {
            "before": before.get(category, 0),
            "after": before.get(category, 0) + added.get(category, 0),
        }
        for category in sorted(before | added)
    }
    return replace(made, facts={**made.facts, "demand": demand, "not_made": not_made, "coverage": counts})


def wanted(
    coverage: pl.DataFrame, config: LongtailConfig, templates: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the pairs to be made by category, and those that a benchmark asks for and no template makes.

    Raises:
        ValueError: the demand file is none.
    """
    if config.demand is None:
        return thinnest(coverage, config.refill_pairs, templates), {}
    asked, makers = read_demand(config.demand), fillable(templates)
    return (
        {category: pairs for category, pairs in asked.items() if category in makers},
        {category: pairs for category, pairs in asked.items() if category not in makers},
    )


def thinnest(coverage: pl.DataFrame, pairs: int, templates: Sequence[str]) -> dict[str, int]:
    """Returns the demand for so many pairs of the category with the fewest samples that a template makes."""
    possible = coverage.filter(pl.col("category").is_in(list(fillable(templates)))).sort("count", "category")
    return {str(possible["category"][0]): pairs} if possible.height and pairs else {}


def fillable(templates: Sequence[str]) -> dict[str, list[str]]:
    """Returns which templates make samples of each category, by themselves or by their inversions."""
    found: dict[str, list[str]] = {}
    for template in (TEMPLATES[name] for name in templates):
        kinds = [template.kind] if template.inverse is None else [template.kind, template.inverse]
        for category in sorted({kind.subcategory for kind in kinds}):
            found.setdefault(category, []).append(template.name)
    return found


def plan_refill(
    made: Sequence[EditRequest],
    images: pl.DataFrame,
    vectors: np.ndarray,
    *,
    demand: Mapping[str, int],
    templates: Sequence[str],
) -> list[EditRequest]:
    """Returns requests for the production engine that meet a demand as far as the images allow.

    Base images are retrieved by their descriptors: each is the one that is least like those which the
    template was applied to before, so that new pairs show what old ones don't. Held-out images are not taken.

    Args:
        made: the requests that were carried out before.
        images: kept training images: image_id, group_id, split, license.
        vectors: their unit descriptors, (N, D).
        demand: pairs wanted by category, from `thinnest` or from a benchmark's weak categories.
        templates: those that may be used.

    Raises:
        ValueError: no template makes a category.
    """
    makers = fillable(templates)
    unknown = sorted(set(demand) - set(makers))
    if unknown:
        raise ValueError(
            f"No template makes {unknown[0]} edits; there are templates for {', '.join(makers)}."
        )
    training = (images["split"] == "train").to_numpy()
    rows = images.filter(pl.Series(training)).select("image_id", "group_id", "split", "license").to_dicts()
    requests: list[EditRequest] = []
    for category, pairs in sorted(demand.items()):
        streams = [_requests(name, made, rows, vectors[training]) for name in makers[category]]
        requests += _in_turn(streams, pairs)
    return requests


def image_vectors(lake: Lake, shards: Sequence[str], image_ids: Sequence[str]) -> np.ndarray:
    """Returns the measured unit descriptor of each image, (N, 128), in the order of the ids.

    Raises:
        KeyError: an image has no descriptor.
    """
    measured = read_measures(lake, [descriptor_measure(lake.local_path(COPY_DESCRIPTOR))], shards)
    vectors = dict(measured.drop_nulls("descriptor.vector").select("id", "descriptor.vector").iter_rows())
    return np.array([vectors[image_id] for image_id in image_ids], np.float32).reshape(len(image_ids), -1)


def spread(vectors: np.ndarray, used: Sequence[int]) -> Iterator[int]:
    """Yields all other rows of unit vectors (N, D), each the least like any row used or yielded before it.

    Ties, and the first row where none is used, fall to the smallest row.
    """
    similarity = np.full(len(vectors), -np.inf, np.float32)
    for row in used:
        similarity = np.maximum(similarity, vectors @ vectors[row])
    taken = np.zeros(len(vectors), bool)
    taken[list(used)] = True
    while not taken.all():
        row = int(np.where(taken, np.inf, similarity).argmin())
        taken[row] = True
        yield row
        similarity = np.maximum(similarity, vectors @ vectors[row])


def _requests(
    template: str, made: Sequence[EditRequest], images: Sequence[Mapping[str, str]], vectors: np.ndarray
) -> Iterator[EditRequest]:
    sources = {request.source_ids[0] for request in made if request.template == template}
    used = [row for row, image in enumerate(images) if image["image_id"] in sources]
    for row in spread(vectors, used):
        partners = _partners(row, images, vectors, TEMPLATES[template].references - 1)
        if partners is not None:
            yield edit_request(template, [images[row], *(images[other] for other in partners)])


def _partners(
    row: int, images: Sequence[Mapping[str, str]], vectors: np.ndarray, count: int
) -> list[int] | None:
    """Returns the images of the same group that are most like one, None where there are too few.

    Of the same group, because a pair belongs to its first source's group and must share pixels with no other.
    """
    same = [
        other
        for other, image in enumerate(images)
        if other != row and image["group_id"] == images[row]["group_id"]
    ]
    nearest = sorted(same, key=lambda other: (-float(vectors[other] @ vectors[row]), other))
    return nearest[:count] if len(nearest) >= count else None


def _in_turn(streams: Sequence[Iterator[EditRequest]], wanted: int) -> list[EditRequest]:
    requests: list[EditRequest] = []
    waiting = list(streams)
    while waiting and len(requests) < wanted:
        stream = waiting.pop(0)
        request = next(stream, None)
        if request is not None:
            requests.append(request)
            waiting.append(stream)
    return requests
