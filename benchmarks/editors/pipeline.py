"""A diffusers folder as an editor: ours, or a stock pipeline such as Qwen-Image-Edit's."""

import inspect
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging
from PIL import Image

from benchmarks.editors.run import EditFailedError
from benchmarks.suites.item import BenchItem, MissingPictureError, SuiteError
from models.common.canonical import UnreadableImageError, to_canonical
from models.common.seeding import torch_generator

SizePolicy = Literal["source", "model"]
"""`source` asks for an output of the size of the first source, `model` leaves the size to the pipeline."""

CFG_ARGUMENTS = ("true_cfg_scale", "guidance_scale")
"""How pipelines call it, Qwen-Image's name first: there, `guidance_scale` is another thing."""


class PipelineEditor:
    """A diffusers folder. One sample is one call, unless the pipeline is ours and takes batches."""

    def __init__(
        self,
        folder: Path,
        *,
        identity: str,
        seed: int,
        steps: int,
        size: SizePolicy,
        cfg: float | None = None,
    ) -> None:
        """Makes an editor; the pipeline is loaded when it first edits.

        Args:
            folder: of the pipeline.
            identity: names its weights in the settings.
            seed: a sample's noise depends on its id and this alone.
            steps: of the sampler.
            size: of the outputs.
            cfg: scale of the guidance; None leaves it to the pipeline.
        """
        self.settings: Mapping[str, Any] = {
            "model": identity, "seed": seed, "steps": steps, "size": size, "cfg": cfg
        }  # fmt: skip
        self._folder = folder

    def edit(self, items: Sequence[BenchItem]) -> list[np.ndarray]:
        """Returns the outputs; a sample's noise does not depend on the batch that it is in.

        Raises:
            EditFailedError: a source is missing, the pipeline does not take the instruction, or there is not
                the memory for this sample.
        """
        _ = self._pipeline  # one that does not load is no failure of a sample
        try:
            sources = [[Image.fromarray(picture.pixels()) for picture in item.sources] for item in items]
            return self._edited(items, sources)
        except (MissingPictureError, UnreadableImageError, ValueError, RuntimeError, MemoryError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                torch.cuda.empty_cache()
            raise EditFailedError(str(error) or type(error).__name__) from error

    def _edited(self, items: Sequence[BenchItem], sources: list[list[Image.Image]]) -> list[np.ndarray]:
        one = len(items) == 1
        references: Any = sources[0] if one and len(sources[0]) > 1 else sources[0][0] if one else sources
        generators = [torch_generator(self.settings["seed"], "noise", item.sample_id) for item in items]
        prompts = [item.instruction for item in items]
        result = self._pipeline(
            image=references,
            prompt=prompts[0] if one else prompts,
            num_inference_steps=self.settings["steps"],
            generator=generators[0] if one else generators,
            **self._size(sources[0][0]),
            **self._guidance(),
        )
        return [np.asarray(to_canonical(image)) for image in result.images]

    def _size(self, source: Image.Image) -> dict[str, int]:
        return {"height": source.height, "width": source.width} if self.settings["size"] == "source" else {}

    def _guidance(self) -> dict[str, Any]:
        accepted = inspect.signature(self._pipeline.__call__).parameters
        negative = {"negative_prompt": " "} if "true_cfg_scale" in accepted else {}
        if self.settings["cfg"] is None:
            return negative
        name = next((name for name in CFG_ARGUMENTS if name in accepted), None)
        if name is None:
            raise TypeError(f"{type(self._pipeline).__name__} has no guidance argument. Remove --cfg.")
        return {**negative, name: self.settings["cfg"]}

    @cached_property
    def _pipeline(self) -> Any:
        logging.disable_progress_bar()  # the run reports its own progress
        cuda = torch.cuda.is_available()
        index = json.loads((self._folder / "model_index.json").read_text(encoding="utf-8"))
        # A stock editor has 20 billion weights, published in bf16; ours is small and was trained in fp32.
        kind = {"torch_dtype": torch.bfloat16} if cuda and isinstance(index["_class_name"], str) else {}
        try:
            pipeline: Any = DiffusionPipeline.from_pretrained(self._folder, trust_remote_code=True, **kind)
        except (OSError, ValueError, AttributeError, ImportError) as error:
            raise SuiteError(f"{self._folder} cannot be loaded as a pipeline: {error}") from error
        return pipeline.to("cuda" if cuda else "cpu")
