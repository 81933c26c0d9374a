"""The measure of the trained copy descriptor: one unit vector an image."""

from functools import partial
from pathlib import Path

import polars as pl

from assets.engine.measure import Measure
from assets.measured.thumbnail import THUMBNAIL


def descriptor_measure(folder: Path) -> Measure:
    """Returns the measure `descriptor` of a trained copy descriptor; new weights are a new version."""
    from models.descriptors.copy_descriptor import describe_pictures, weights_digest

    digest = weights_digest(folder)
    return Measure(
        name="descriptor",
        version=digest,
        long_side=THUMBNAIL.long_side,
        columns={"vector": pl.List(pl.Float32())},
        run=partial(describe_pictures, folder, digest),
    )
