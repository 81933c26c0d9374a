"""The editor that does nothing: the copy baseline as a model of its own, which a judge sees as any other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.editors.run import EditFailedError
from benchmarks.suites.item import BenchItem, MissingPictureError
from benchmarks.suites.outputs import Outputs
from models.common.canonical import UnreadableImageError
from models.common.files import write_atomically


class CopyEditor:
    """Hands the first source back."""

    settings: Mapping[str, Any] = {"editor": "copy"}

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the sources as outputs.

        Raises:
            EditFailedError: a source is missing or broken.
        """
        try:
            return [item.sources[0].pixels() for item in items]
        except (MissingPictureError, UnreadableImageError) as error:
            raise EditFailedError(str(error)) from error


def copied_sources(items: Sequence[BenchItem], folder: Path) -> Outputs:
    """Returns the first source of each item as its output: the same bytes, written to a folder."""
    paths, problems = {}, {}
    for number, item in enumerate(items):
        try:
            data = item.sources[0].read()
        except MissingPictureError as error:
            problems[item.sample_id] = str(error)
            continue
        paths[item.sample_id] = folder / str(number)
        write_atomically(paths[item.sample_id], data)
    return Outputs(paths, problems, [])
