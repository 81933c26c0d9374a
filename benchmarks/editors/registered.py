"""A model of an MLflow registry as an editor, by its address: `models:/emberline-edit@champion`."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import get_model_info

from benchmarks.editors.run import EditFailedError
from benchmarks.suites.item import BenchItem, MissingPictureError
from models.common.canonical import UnreadableImageError
from models.common.pixels import decode, encode_png
from models.common.seeding import derived_seed


class RegisteredEditor:
    """A pyfunc model from (image, instruction) to image, as ours and any that keeps to its signature."""

    def __init__(self, uri: str, *, tracking_uri: str, seed: int, steps: int) -> None:
        """Finds the version that the address means now; it is loaded when it first edits.

        Args:
            uri: `models:/<name>@<alias>` or `models:/<name>/<version>`.
            tracking_uri: of MLflow.
            seed: a sample's noise depends on its id and this alone.
            steps: of the sampler.

        Raises:
            ValueError: the registry has no such model.
        """
        mlflow.set_tracking_uri(tracking_uri)
        try:
            self._info = get_model_info(uri)
        except MlflowException as error:
            raise ValueError(f"{tracking_uri} has no {uri}: {error.message}") from error
        self.settings: Mapping[str, Any] = {
            "model": self._info.model_uuid, "uri": uri, "seed": seed, "steps": steps
        }  # fmt: skip

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs, each of the size that the model gives.

        Raises:
            EditFailedError: a source is missing, or the model does not take the instruction.
        """
        return [self._edited(item) for item in items]

    def _edited(self, item: BenchItem) -> np.ndarray:
        # The registry's parameters are 64-bit integers, and so are derived seeds.
        seed = derived_seed(self.settings["seed"], "noise", item.sample_id)
        source = item.sources[0]
        if len(item.sources) > 1:
            raise EditFailedError(f"the item has {len(item.sources)} sources, and the model takes one")
        model = self._model
        params = {"num_inference_steps": self.settings["steps"], "seed": seed}
        try:
            picture = encode_png(source.pixels())
            rows = pd.DataFrame({"image": [picture], "instruction": [item.instruction]})
            found: Any = model.predict(rows, params=params)
            return decode(found["image"][0])
        except (MissingPictureError, UnreadableImageError, ValueError, MlflowException) as error:
            raise EditFailedError(str(error)) from error
        except (RuntimeError, MemoryError) as error:  # such as no memory for this sample
            raise EditFailedError(str(error) or type(error).__name__) from error

    @cached_property
    def _model(self) -> Any:
        return mlflow.pyfunc.load_model(self._info.model_uri)
