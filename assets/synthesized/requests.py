"""Edit requests: which template is applied to which images, planned without reading pixels."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from assets.lake.ids import digest
from assets.lake.schemas import SPLITS
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.templates.catalogue import TEMPLATES
from models.common.seeding import numpy_generator


class EditRequest(NamedTuple):
    """One pair to make; `key` identifies it and seeds the generator of its parameters."""

    template: str
    source_ids: tuple[str, ...]
    group_id: str
    split: str
    license: str
    key: str


def edit_request(template: str, sources: Sequence[Mapping[str, str]]) -> EditRequest:
    """Returns the request to apply a template to images, rows with image_id, group_id, split, license.

    The pair belongs to the group of its first source.
    """
    source_ids = tuple(source["image_id"] for source in sources)
    licenses = sorted({source["license"] for source in sources})
    first = sources[0]
    key = digest([template, *source_ids])
    return EditRequest(template, source_ids, first["group_id"], first["split"], "; ".join(licenses), key)


class NoTrainingImageError(ValueError):
    """`filtered` kept no training image, so there is nothing to make pairs of."""

    def __init__(self) -> None:
        super().__init__(
            "filtered kept no training image, so there is nothing to make pairs of. `emberline explain` with "
            "the path of a file says which rule dropped it. Add images, or change filtered.rules."
        )


def plan_requests(kept: pl.DataFrame, config: SynthesizedConfig) -> list[EditRequest]:
    """Returns the forward pairs of both splits, balanced over templates and images.

    Every template is applied to every image at most once, so there are at most images times templates. A
    second source is another image of the first one's group or, if there is none, of its split.

    Args:
        kept: the kept images with image_id, group_id, split and license; repeated images are ignored.
        config: the templates, the number of pairs of each split and the seed.

    Raises:
        NoTrainingImageError: no image is for training.
    """
    images = kept.unique("image_id", keep="first", maintain_order=True).sort("image_id")
    counts = dict(zip(SPLITS, (config.train_pairs, config.heldout_pairs), strict=True))
    requests = []
    if images.filter(pl.col("split") == "train").is_empty():
        raise NoTrainingImageError
    for split in SPLITS:
        rows = images.filter(pl.col("split") == split).select("image_id", "group_id", "split", "license")
        requests += _plan_split(rows.to_dicts(), counts[split], config, split)
    return requests


def _plan_split(
    images: list[dict[str, str]], count: int, config: SynthesizedConfig, split: str
) -> list[EditRequest]:
    if not images:
        return []
    order = numpy_generator(config.seed, "images", split).permutation(len(images))
    templates = config.templates
    period = math.lcm(len(images), len(templates))
    requests: list[EditRequest] = []
    # Images and templates advance together, and the template advances by one more whenever the sequence would
    # repeat. Every pair of image and template occurs once, and any prefix of the sequence is balanced.
    for step in range(len(images) * len(templates)):
        if len(requests) == count:
            break
        template = templates[(step + step // period) % len(templates)]
        sources = _sources(template, int(order[step % len(images)]), images, config.seed)
        if sources is not None:
            requests.append(edit_request(template, sources))
    return requests


def _sources(
    template: str, image: int, images: list[dict[str, str]], seed: int
) -> list[dict[str, str]] | None:
    """Returns the image and the other sources of the template; None if the split has too few images."""
    first = images[image]
    missing = TEMPLATES[template].references - 1
    if not missing:
        return [first]
    others = [other for other in images if other is not first]
    near = [other for other in others if other["group_id"] == first["group_id"]]
    pool = near if len(near) >= missing else others
    if len(pool) < missing:
        return None
    generator = numpy_generator(seed, "partners", template, first["image_id"])
    return [first, *(pool[int(n)] for n in _choice(generator, len(pool), missing))]


def _choice(generator: np.random.Generator, among: int, count: int) -> np.ndarray:
    return generator.choice(among, size=count, replace=False)
