"""The edit pipeline: reference images and an instruction in, an edited image out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from PIL import Image
from transformers import BertModel, PreTrainedTokenizerBase

from models.common.canonical import to_canonical
from models.common.fitting import edit_size, fit
from models.common.tensors import from_model_range, to_model_range
from models.editor.geometry import PATCH, resolution_mu
from models.editor.sampling import sample
from models.text_encoders.minilm import TextEncoder

MAX_STEPS = 1000
MOST_OBLONG = 2
"""Area of an edit in training areas, at most. A side is at least a token, so a strip has more tokens."""

UNKNOWN_SHARE = 0.5
"""Share of unknown tokens above which a prompt is in a script that the text encoder cannot read."""

References = Image.Image | Sequence[Image.Image]


class PipelineInputError(ValueError):
    """An argument of the pipeline is not valid.

    Attributes:
        argument: its name.
    """

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(message)


class EmberlineEditPipeline(DiffusionPipeline):
    """Edits any number of reference images by an instruction (report 3.1).

    A folder written by `models.editor.saved_pipeline.save_pipeline` is loaded with
    `DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)` and does not need Emberline.
    """

    model_cpu_offload_seq = "text_encoder->transformer->codec"

    def __init__(
        self,
        transformer: QwenImageTransformer2DModel,
        scheduler: FlowMatchEulerDiscreteScheduler,
        codec: ModelMixin,
        text_encoder: BertModel,
        tokenizer: PreTrainedTokenizerBase,
        sample_size: int = 64,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer,
            scheduler=scheduler,
            codec=codec,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
        )
        self.register_to_config(sample_size=sample_size)

    @torch.no_grad()
    def __call__(
        self,
        image: References | Sequence[References] | None,
        prompt: str | Sequence[str],
        *,
        num_inference_steps: int = 8,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        height: int | None = None,
        width: int | None = None,
        output_type: str = "pil",
    ) -> ImagePipelineOutput:
        """Returns one edited image for each prompt, in order.

        Args:
            image: the references in prompt order: one image, a list of images, or None for text to image.
                With a list of prompts, a list of such entries, all with the same number of references.
                References are scaled to cover the output and cropped around the centre.
            prompt: one instruction, or a list of them for a batch.
            num_inference_steps: Euler steps from noise to image, 1 to 1000.
            generator: generator of the noise: one for the whole batch, or one for each prompt, so that the
                noise of a sample does not depend on its batch. None uses the global generator of Torch.
            height: height of the output in pixels, a multiple of 16. Without height and width, the output
                has the shape of the first reference at the area of the training images, or is square.
            width: like `height`.
            output_type: `pil`, or `latent` for (B, C, H/8, W/8) codec latents.

        Raises:
            PipelineInputError: an argument is not valid.
        """
        # What is no sequence, such as the None of an empty cell of a table, is refused as a prompt below.
        single = isinstance(prompt, str) or not isinstance(prompt, Sequence)
        prompts: list[Any] = [prompt] if single else list(prompt)
        references = _references(image, prompts, single=single)
        size = self._size(references, height, width)
        self._check(prompts, num_inference_steps, output_type, size)
        device = self._execution_device
        noise = self._noise(len(prompts), size, generator)
        text, text_mask = self._encode_text(prompts)
        latents = sample(
            self.transformer,
            noise.to(device),
            [self.codec.encode(_pixels(column, size).to(device)) for column in references],
            text=text.to(device),
            text_mask=text_mask.to(device),
            sigmas=self._sigmas(num_inference_steps, noise).to(device),
        )
        self.maybe_free_model_hooks()
        if output_type == "latent":
            return ImagePipelineOutput(images=latents)  # pyright: ignore[reportArgumentType]
        return ImagePipelineOutput(images=_to_images(self.codec.decode(latents)))

    def _size(
        self, references: list[list[np.ndarray]], height: int | None, width: int | None
    ) -> tuple[int, int]:
        side = int(self.config["sample_size"])
        if height or width or not references:
            return height or side, width or side
        multiple = self.codec.config["patch"] * PATCH
        shapes = [reference.shape for reference in references[0]]
        sizes = sorted({edit_size(shape[0], shape[1], side, multiple) for shape in shapes})
        if len(sizes) > 1:
            found = ", ".join(f"{size[0]}x{size[1]}" for size in sizes)
            raise PipelineInputError(
                "image",
                f"The images of a batch would be edited at several sizes: {found}. Call the "
                "pipeline once for each shape, or give height and width.",
            )
        if sizes[0][0] * sizes[0][1] > MOST_OBLONG * side**2:
            found = f"{shapes[0][1]}x{shapes[0][0]}"
            raise PipelineInputError(
                "image", f"An image of {found} pixels is too oblong. Cut a part out of it."
            )
        return sizes[0]

    def _check(self, prompts: list[str], steps: int, output_type: str, size: tuple[int, int]) -> None:
        if not prompts or any(not isinstance(text, str) or not text.strip() for text in prompts):
            raise PipelineInputError(
                "prompt",
                f"prompt must be an instruction or a list of instructions, none empty; found {prompts!r}.",
            )
        if not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
            raise PipelineInputError(
                "num_inference_steps",
                f"num_inference_steps must be a whole number from 1 to {MAX_STEPS}; found {steps!r}.",
            )
        if output_type not in ("pil", "latent"):
            message = f"output_type must be 'pil' or 'latent'; found {output_type!r}."
            raise PipelineInputError("output_type", message)
        multiple = self.codec.config["patch"] * PATCH
        if any(side < multiple or side % multiple for side in size):
            found = f"{size[0]}x{size[1]}"
            message = f"height and width must be multiples of {multiple} pixels; found {found}."
            raise PipelineInputError("height", message)

    def _noise(
        self, count: int, size: tuple[int, int], generator: torch.Generator | Sequence[torch.Generator] | None
    ) -> torch.Tensor:
        patch, channels = self.codec.config["patch"], self.codec.config["channels"]
        shape = (channels, size[0] // patch, size[1] // patch)
        if generator is None or isinstance(generator, torch.Generator):
            return torch.randn(count, *shape, generator=generator)
        if len(generator) != count:
            message = f"generator must have one entry for each of {count} prompts; found {len(generator)}."
            raise PipelineInputError("generator", message)
        return torch.stack([torch.randn(*shape, generator=one) for one in generator])

    def _encode_text(self, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        for text in prompts:
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            if ids.count(self.tokenizer.unk_token_id) > UNKNOWN_SHARE * len(ids):
                languages = ", ".join(TextEncoder.languages)
                raise PipelineInputError(
                    "prompt",
                    f"The text encoder cannot read {text!r}, because most of it is outside its vocabulary. "
                    f"Write the instruction in one of its languages ({languages}).",
                )
        return TextEncoder(self.tokenizer, self.text_encoder).encode(prompts)

    def _sigmas(self, steps: int, noise: torch.Tensor) -> torch.Tensor:
        config = self.scheduler.config
        mu = None
        if config.use_dynamic_shifting:
            mu = resolution_mu(
                (noise.shape[2] // PATCH) * (noise.shape[3] // PATCH),
                base_tokens=config.base_image_seq_len,
                max_tokens=config.max_image_seq_len,
                base_mu=config.base_shift,
                max_mu=config.max_shift,
            )
        self.scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist(), mu=mu)
        return self.scheduler.sigmas


def _references(
    image: References | Sequence[References] | None, prompts: list[str], *, single: bool
) -> list[list[np.ndarray]]:
    # Returns canonical pixels, one list for each reference position, because each position is encoded for the
    # whole batch at once.
    if image is None:
        return []
    entries = [image] if single else image
    if isinstance(entries, Image.Image) or len(entries) != len(prompts):
        found = 1 if isinstance(entries, Image.Image) else len(entries)
        raise PipelineInputError(
            "image", f"image must have the references of {len(prompts)} prompts; found {found} entries."
        )
    rows = [[entry] if isinstance(entry, Image.Image) else list(entry) for entry in entries]
    for image in (image for row in rows for image in row):
        if not isinstance(image, Image.Image):
            message = f"Every reference must be a PIL image; found {type(image).__name__}."
            raise PipelineInputError("image", message)
    counts = sorted({len(row) for row in rows})
    if len(counts) > 1:
        raise PipelineInputError(
            "image",
            f"All samples of a batch must have the same number of references; found {counts}. "
            "Call the pipeline once for each number.",
        )
    return [[np.asarray(to_canonical(one)) for one in column] for column in zip(*rows, strict=True)]


def _pixels(images: Sequence[np.ndarray], size: tuple[int, int]) -> torch.Tensor:
    # Returns (B, 3, H, W) in [-1, 1].
    return to_model_range(np.stack([fit(pixels, *size) for pixels in images]))


def _to_images(pixels: torch.Tensor) -> list[Image.Image]:
    return [Image.fromarray(one) for one in from_model_range(pixels)]
