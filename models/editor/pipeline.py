"""The edit pipeline: reference pictures and an instruction in, an edited picture out."""

from collections.abc import Sequence

import numpy as np
import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from PIL import Image, ImageOps
from transformers import BertModel, PreTrainedTokenizerBase

from models.editor.config import PATCH, ResolutionShift
from models.editor.sampling import sample
from models.text_encoders.minilm import TextEncoder

MAX_STEPS = 1000
UNKNOWN_SHARE = 0.5
"""A prompt with more unknown tokens than this is in a writing that the text encoder cannot read."""

References = Image.Image | Sequence[Image.Image]


class EmberlineEditPipeline(DiffusionPipeline):
    """Instruction-based editing of zero to several reference pictures (report 3.1).

    Saved by `models.editor.saved_pipeline.save_pipeline`, it opens with
    `DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`, without Emberline.
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
        """Returns one edited picture for each prompt, in order.

        Args:
            image: the references of the prompt in its order: one picture, a list of them, or None for text to
                image. With a list of prompts, a list of such entries, all with equally many references.
                References are scaled to cover `height` x `width` and cropped around the centre.
            prompt: one instruction, or a list of them for a batch.
            num_inference_steps: Euler steps from noise to picture, 1 to 1000.
            generator: draws the noise: one for the whole batch, or one for each prompt, so that a sample's
                noise does not depend on the batch that it is in. None draws from Torch's global state.
            height: of the output in pixels, a multiple of 16; by default what the model was trained at.
            width: like `height`.
            output_type: `pil`, or `latent` for (B, C, H/8, W/8) codec latents.

        Raises:
            ValueError: an argument is not as above; the message says what was found.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        references = _references(image, prompts, single=isinstance(prompt, str))
        size = (height or int(self.config["sample_size"]), width or int(self.config["sample_size"]))
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
        return ImagePipelineOutput(images=_pictures(self.codec.decode(latents)))

    def _check(self, prompts: list[str], steps: int, output_type: str, size: tuple[int, int]) -> None:
        if not prompts or any(not isinstance(text, str) or not text.strip() for text in prompts):
            raise ValueError(f"Expected an instruction, or a list of them, none empty; found {prompts!r}.")
        if not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
            raise ValueError(
                f"num_inference_steps must be a whole number, 1 to {MAX_STEPS}; found {steps!r}."
            )
        if output_type not in ("pil", "latent"):
            raise ValueError(f"output_type must be 'pil' or 'latent'; found {output_type!r}.")
        multiple = self.codec.config["patch"] * PATCH
        if any(side < multiple or side % multiple for side in size):
            found = f"{size[0]}x{size[1]}"
            raise ValueError(f"height and width must be multiples of {multiple} pixels; found {found}.")

    def _noise(
        self, count: int, size: tuple[int, int], generator: torch.Generator | Sequence[torch.Generator] | None
    ) -> torch.Tensor:
        patch, channels = self.codec.config["patch"], self.codec.config["channels"]
        shape = (channels, size[0] // patch, size[1] // patch)
        if generator is None or isinstance(generator, torch.Generator):
            return torch.randn(count, *shape, generator=generator)
        if len(generator) != count:
            raise ValueError(f"Expected one generator for each of {count} prompts; found {len(generator)}.")
        return torch.stack([torch.randn(*shape, generator=one) for one in generator])

    def _encode_text(self, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        for text in prompts:
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            if ids.count(self.tokenizer.unk_token_id) > UNKNOWN_SHARE * len(ids):
                languages = ", ".join(TextEncoder.languages)
                raise ValueError(
                    f"The model's text encoder cannot read {text!r}: most of it is outside its vocabulary. "
                    f"Write the instruction in one of its languages ({languages})."
                )
        return TextEncoder(self.tokenizer, self.text_encoder).encode(prompts)

    def _sigmas(self, steps: int, noise: torch.Tensor) -> torch.Tensor:
        config = self.scheduler.config
        mu = None
        if config.use_dynamic_shifting:
            shift = ResolutionShift(
                base_tokens=config.base_image_seq_len,
                max_tokens=config.max_image_seq_len,
                base_mu=config.base_shift,
                max_mu=config.max_shift,
            )
            mu = shift.mu((noise.shape[2] // PATCH) * (noise.shape[3] // PATCH))
        self.scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist(), mu=mu)
        return self.scheduler.sigmas


def _references(
    image: References | Sequence[References] | None, prompts: list[str], *, single: bool
) -> list[list[Image.Image]]:
    # One list for each reference position, because a position of the whole batch is encoded at once.
    if image is None:
        return []
    entries = [image] if single else image
    if isinstance(entries, Image.Image) or len(entries) != len(prompts):
        found = 1 if isinstance(entries, Image.Image) else len(entries)
        raise ValueError(
            f"Expected the references of {len(prompts)} prompts in image; found {found} entries."
        )
    rows = [[entry] if isinstance(entry, Image.Image) else list(entry) for entry in entries]
    for picture in (picture for row in rows for picture in row):
        if not isinstance(picture, Image.Image):
            raise ValueError(f"Every reference must be a PIL image; found {type(picture).__name__}.")
    counts = sorted({len(row) for row in rows})
    if len(counts) > 1:
        raise ValueError(
            f"All samples of a batch need equally many references; found {counts}. "
            "Make one call for each number."
        )
    return [list(column) for column in zip(*rows, strict=True)]


def _pixels(pictures: Sequence[Image.Image], size: tuple[int, int]) -> torch.Tensor:
    # (B, 3, H, W) in [-1, 1]. Area averaging when shrinking, like the pictures that the model was trained on.
    arrays = []
    for picture in pictures:
        shrinks = min(picture.height / size[0], picture.width / size[1]) > 1
        method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
        fitted = ImageOps.fit(picture.convert("RGB"), (size[1], size[0]), method=method)
        arrays.append(np.asarray(fitted, dtype=np.float32))
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 127.5 - 1


def _pictures(pixels: torch.Tensor) -> list[Image.Image]:
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [Image.fromarray(one) for one in levels.permute(0, 2, 3, 1).cpu().numpy()]
