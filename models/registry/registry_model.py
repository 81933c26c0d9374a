"""The file that MLflow stores and runs for each registered version (models from code).

What it imports of Emberline is copied into it at registration, because a user's own package named `models`
would be imported instead.
"""

import io
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from PIL import Image

from models.common.canonical import open_image_file, to_canonical

MAX_BYTES = 32_000_000
"""Larger files are refused before anything of them is read."""


class InvalidImageError(ValueError):
    """The value of `image` is not an image file within the limits."""


class InvalidRowError(ValueError):
    """An input row is not valid.

    Attributes:
        row: its number, from 0.
    """

    def __init__(self, row: int, reason: object) -> None:
        self.row = row
        super().__init__(f"Row {row}: {reason}")


class EditorModel(PythonModel):
    """Edits images by instruction; the result of a row depends on that row and the parameters only."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the diffusers folder of this version, onto a GPU if one is available."""
        import torch
        from diffusers.pipelines.pipeline_utils import DiffusionPipeline
        from diffusers.utils import logging

        logging.disable_progress_bar()
        folder = context.artifacts["pipeline"]
        pipeline: Any = DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
        self.pipeline = pipeline.to("cuda" if torch.cuda.is_available() else "cpu")

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride] (MLflow's own has no return type)
        self,
        context: PythonModelContext,  # noqa: ARG002 (MLflow's signature)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Returns a frame with one row for each input row: the edited image as PNG bytes in `image`.

        An edit has the size of the upright image. It is made in the same shape at the area of the training
        images, and scaled from there.

        Args:
            context: unused.
            model_input: columns `image` (bytes of an image file) and `instruction` (text).
            params: `num_inference_steps` and `seed`.

        Raises:
            InvalidRowError: a row has no image within the limits, or no valid instruction.
        """
        import torch

        settings = params or {}  # MLflow adds the defaults of the signature
        edited = []
        rows = zip(model_input["image"], model_input["instruction"], strict=True)
        for number, (data, instruction) in enumerate(rows):
            try:
                image = open_image(data)
                result = self.pipeline(
                    image,
                    instruction,
                    num_inference_steps=int(settings["num_inference_steps"]),
                    generator=torch.Generator().manual_seed(int(settings["seed"])),
                )
            except ValueError as error:
                raise InvalidRowError(number, error) from error
            edit = result.images[0]
            if edit.size != image.size:
                edit = edit.resize(image.size, Image.Resampling.LANCZOS)
            stream = io.BytesIO()
            edit.save(stream, format="PNG")
            edited.append(stream.getvalue())
        return pd.DataFrame({"image": edited})


def open_image(data: Any) -> Any:
    """Returns an image file as a PIL image, by the function that decodes all training images.

    Raises:
        InvalidImageError: the data are not an image file within the limits.
    """
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_BYTES:
        found = f"{len(data)} bytes" if isinstance(data, bytes) else type(data).__name__
        raise InvalidImageError(f"image must be the bytes of a file, at most {MAX_BYTES}; found {found}.")
    try:
        with open_image_file(data) as image:
            return to_canonical(image)
    except Exception as error:  # Pillow plugins raise any type, from SyntaxError to struct.error
        raise InvalidImageError(f"image must be a readable image file: {error}") from error


set_model(EditorModel())
