"""One refill round: selects the edits and images that fill the gaps in the coverage (report 2.4)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from assets.engine.measure import read_measures
from assets.lake.kept import COLLECTED_SAMPLES_PATH
from assets.lake.lake import Lake
from assets.lake.paths import COPY_DESCRIPTOR, COVERAGE_PATH, REFILL_SAMPLES, SYNTHESIZED_SAMPLES
from assets.lake.schemas import SAMPLES
from assets.lake.steps import StepOutput
from assets.longtail.config import REFILLED, LongtailConfig
from assets.longtail.coverage import COVERAGE, counts_by_category
from assets.measured.registry import descriptor_measure
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.requests import EditRequest, edit_request, plan_requests
from assets.synthesized.synthesize import synthesize
from assets.synthesized.templates.catalogue import TEMPLATES, templates_by_category
from benchmarks.scoring.demand import read_demand
from models.common.progress import Progress


class NoTemplateError(ValueError):
    """There is no template for a category of a demand.

    Attributes:
        category: its name.
    """

    def __init__(self, category: str, known: Iterable[str]) -> None:
        self.category = category
        super().__init__(f"There is no template for {category} edits, only for {', '.join(known)}.")


def refill(
    lake: Lake,
    kept: pl.DataFrame,
    config: LongtailConfig,
    synthesized: SynthesizedConfig,
    *,
    workers: int,
    progress: Progress,
) -> StepOutput:
    """Makes the pairs of one refill round, as `longtail`; the facts contain the coverage before and after.

    Demanded categories for which there is no template are skipped and listed in the facts as `not_made`.

    Args:
        lake: holds the coverage, the descriptors of the ingested images and the synthesized samples.
        kept: KEPT_IMAGES.
        config: the number of pairs, or the demand file of a benchmark.
        synthesized: settings of the pair synthesis, from which its earlier requests follow.
        workers: number of processes.
        progress: called for each shard.

    Raises:
        ValueError: the demand file is not valid.
    """
    demand, not_made = split_demand(lake.read_table(COVERAGE_PATH, COVERAGE), config, synthesized.templates)
    earlier = plan_requests(kept, synthesized)
    vectors = image_vectors(lake, kept)
    requests = plan_refill(earlier, kept, vectors, demand=demand, templates=synthesized.templates)
    existing = [lake.read_table(path, SAMPLES) for path in (COLLECTED_SAMPLES_PATH, SYNTHESIZED_SAMPLES)]
    before = counts_by_category(pl.concat(existing))
    made = synthesize(lake, requests, REFILLED, synthesized, workers=workers, progress=progress)
    added = counts_by_category(lake.read_table(REFILL_SAMPLES, SAMPLES))
    counts = {
        category: {
            "before": before.get(category, 0),
            "after": before.get(category, 0) + added.get(category, 0),
        }
        for category in sorted(before | added)
    }
    return replace(made, facts={**made.facts, "demand": demand, "not_made": not_made, "coverage": counts})


def split_demand(
    coverage: pl.DataFrame, config: LongtailConfig, templates: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the number of pairs to make by category, and those demanded for which there is no template.

    Raises:
        ValueError: the demand file is not valid.
    """
    if config.demand is None:
        return thinnest_category(coverage, config.refill_pairs, templates), {}
    demand, templates_of = read_demand(config.demand), templates_by_category(templates)
    return (
        {category: pairs for category, pairs in demand.items() if category in templates_of},
        {category: pairs for category, pairs in demand.items() if category not in templates_of},
    )


def thinnest_category(coverage: pl.DataFrame, pairs: int, templates: Sequence[str]) -> dict[str, int]:
    """Returns a demand for pairs of the category with the fewest samples among those with a template."""
    possible = coverage.filter(pl.col("category").is_in(list(templates_by_category(templates)))).sort(
        "count", "category"
    )
    return {str(possible["category"][0]): pairs} if possible.height and pairs else {}


def plan_refill(
    earlier: Sequence[EditRequest],
    images: pl.DataFrame,
    vectors: np.ndarray,
    *,
    demand: Mapping[str, int],
    templates: Sequence[str],
) -> list[EditRequest]:
    """Returns requests for the pair synthesis that meet a demand as far as the images allow.

    Source images are selected by their descriptors: each is the least similar to those that the template was
    applied to before, so that new pairs differ from old ones. Held-out images are not used.

    Args:
        earlier: the requests of earlier rounds.
        images: kept training images: image_id, group_id, split, license.
        vectors: their unit descriptors, (N, D).
        demand: number of pairs by category.
        templates: names of the templates that may be used.

    Raises:
        NoTemplateError: there is no template for a category.
    """
    templates_of = templates_by_category(templates)
    unknown = sorted(set(demand) - set(templates_of))
    if unknown:
        raise NoTemplateError(unknown[0], templates_of)
    training = (images["split"] == "train").to_numpy()
    rows = images.filter(pl.Series(training)).select("image_id", "group_id", "split", "license").to_dicts()
    requests: list[EditRequest] = []
    for category, pairs in sorted(demand.items()):
        streams = [_requests(name, earlier, rows, vectors[training]) for name in templates_of[category]]
        requests += _round_robin(streams, pairs)
    return requests


def image_vectors(lake: Lake, images: pl.DataFrame) -> np.ndarray:
    """Returns the measured unit descriptors (N, 128) of KEPT_IMAGES, in their order.

    Raises:
        KeyError: an image has no descriptor.
    """
    shards = images["shard"].unique().sort().to_list()
    measured = read_measures(lake, [descriptor_measure(lake.local_path(COPY_DESCRIPTOR))], shards)
    vectors = dict(measured.drop_nulls("descriptor.vector").select("id", "descriptor.vector").iter_rows())
    ids = images["image_id"].to_list()
    return np.array([vectors[image_id] for image_id in ids], np.float32).reshape(len(ids), -1)


def farthest_first(vectors: np.ndarray, used: Sequence[int]) -> Iterator[int]:
    """Yields all rows of unit vectors (N, D) that are not in `used`, the least similar to earlier rows first.

    Earlier rows are those used or yielded before. Of equally similar rows the first one is yielded.
    """
    similarity = np.full(len(vectors), -np.inf, np.float32)
    for row in used:
        similarity = np.maximum(similarity, vectors @ vectors[row])
    yielded = np.zeros(len(vectors), bool)
    yielded[list(used)] = True
    while not yielded.all():
        row = int(np.where(yielded, np.inf, similarity).argmin())
        yielded[row] = True
        yield row
        similarity = np.maximum(similarity, vectors @ vectors[row])


def _requests(
    template: str, earlier: Sequence[EditRequest], images: Sequence[Mapping[str, str]], vectors: np.ndarray
) -> Iterator[EditRequest]:
    sources = {request.source_ids[0] for request in earlier if request.template == template}
    used = [row for row, image in enumerate(images) if image["image_id"] in sources]
    for row in farthest_first(vectors, used):
        partners = _partners(row, images, vectors, TEMPLATES[template].references - 1)
        if partners is not None:
            yield edit_request(template, [images[row], *(images[other] for other in partners)])


def _partners(
    row: int, images: Sequence[Mapping[str, str]], vectors: np.ndarray, count: int
) -> list[int] | None:
    """Returns the most similar images of the same group; None if there are too few.

    A pair belongs to the group of its first source, so its other sources must be of that group too.
    """
    same = [
        other
        for other, image in enumerate(images)
        if other != row and image["group_id"] == images[row]["group_id"]
    ]
    nearest = sorted(same, key=lambda other: (-float(vectors[other] @ vectors[row]), other))
    return nearest[:count] if len(nearest) >= count else None


def _round_robin(streams: Sequence[Iterator[EditRequest]], count: int) -> list[EditRequest]:
    requests: list[EditRequest] = []
    active = list(streams)
    while active and len(requests) < count:
        stream = active.pop(0)
        request = next(stream, None)
        if request is not None:
            requests.append(request)
            active.append(stream)
    return requests
