"""The file that MLflow stores and runs for each registered version (models from code).

It imports nothing of Emberline: a user's own package called `models` would be found instead.
"""

import io
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 32_000_000
MAX_PIXELS = 64_000_000
"""Larger headers are refused before a pixel is decoded."""


class Editor(PythonModel):
    """Edits pictures by instruction; each row's result depends on that row and the parameters alone."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the diffusers folder that was registered with this file, onto a GPU where there is one."""
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
        """Returns a frame with one row for each input row: the edited picture as PNG bytes in `image`.

        Args:
            context: unused.
            model_input: columns `image` (bytes of a PNG, JPEG or WebP file) and `instruction` (text).
            params: `num_inference_steps` and `seed`.

        Raises:
            ValueError: a row holds no picture within the limits, or no instruction. The message names it.
        """
        import torch

        settings = params or {}  # MLflow fills in what the caller left out, from the signature's defaults
        edited = []
        rows = zip(model_input["image"], model_input["instruction"], strict=True)
        for number, (data, instruction) in enumerate(rows):
            try:
                picture = open_picture(data)
                result = self.pipeline(
                    picture,
                    instruction,
                    num_inference_steps=int(settings["num_inference_steps"]),
                    generator=torch.Generator().manual_seed(int(settings["seed"])),
                )
            except ValueError as error:
                raise ValueError(f"Row {number}: {error}") from error
            stream = io.BytesIO()
            result.images[0].save(stream, format="PNG")
            edited.append(stream.getvalue())
        return pd.DataFrame({"image": edited})


def open_picture(data: Any) -> Any:
    """Returns the picture in these bytes as a PIL image: upright, on white where transparent, in RGB.

    Raises:
        ValueError: these are not the bytes of a picture within the limits.
    """
    from PIL import Image, ImageOps

    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_BYTES:
        found = f"{len(data)} bytes" if isinstance(data, bytes) else type(data).__name__
        raise ValueError(f"image must be the bytes of a picture file, at most {MAX_BYTES}; found {found}.")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            found = f"{picture.width}x{picture.height}"
            raise ValueError(f"image must have at most {MAX_PIXELS} pixels; found {found}.")
        picture = ImageOps.exif_transpose(picture)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return picture.convert("RGB")
    except ValueError:
        raise
    except Exception as error:  # Pillow's plugins raise anything, from SyntaxError to struct.error
        raise ValueError(f"image must be a readable {', '.join(FORMATS)} file: {error}") from error


set_model(Editor())
