"""A client that runs a vision-language model in this process, with weights from a local folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    Qwen2VLImageProcessorPil,
)

from models.common.canonical import UnreadableImageError
from models.common.files import file_digest
from models.common.pixels import decode
from models.vlm.client import ROOM_FACTOR, Answer, ReplyState, Request
from models.vlm.messages import Say

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
"""Model types whose prompt is built here. Their own processors need torchvision, only to load videos."""

IMAGE = "<|image_pad|>"
BEFORE, AFTER = "<|vision_start|>", "<|vision_end|>"
DEFAULT_TOKENS = 512


class LocalClient:
    """A Qwen vision-language model; it answers one question at a time."""

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        """Loads the model onto a GPU if one is available.

        Args:
            folder: of a Hugging Face checkpoint with safetensors weights.
            parameters: max_tokens, temperature (0 is greedy), top_p, seed.

        Raises:
            ValueError: the folder contains a model of another family.
        """
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if config.model_type not in FAMILIES:
            raise ValueError(
                f"{folder} contains a {config.model_type}. Expected one of {', '.join(FAMILIES)}."
            )
        cuda = torch.cuda.is_available()
        self._device = "cuda" if cuda else "cpu"
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.bfloat16 if cuda else torch.float32,
        )
        self._model: Any = model.to(self._device).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._processor: Any = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
        self._pad, self._end = self._tokenizer.convert_tokens_to_ids([IMAGE, "<|im_end|>"])
        self._parameters = dict(parameters)
        self._lock = Lock()
        self.identity = {
            "judge": "vlm",
            "model": config.model_type,
            "config_sha256": hashlib.sha256(config.to_json_string().encode()).hexdigest(),
            "weights_sha256": _weights_digest(folder),
            **self._parameters,
        }

    def ask(self, request: Request) -> Answer:
        """Returns the answer of the model. Sampling is seeded, so equal questions get equal answers.

        A reply that reaches the limit of tokens is generated once more with more room.
        """
        try:
            files = [image.data for image in request.images if image is not None]
        except UnreadableImageError as error:
            return Answer(ReplyState.API_FAILED, note=f"the image cannot be shown: {error}")
        shown = [Image.fromarray(decode(data)) for data in files]
        inputs = self.inputs(request, shown)
        limit = int(self._parameters.get("max_tokens", DEFAULT_TOKENS))
        answer = self._generated(request, inputs, limit)
        if answer.state is ReplyState.CUT_OFF:
            answer = replace(self._generated(request, inputs, ROOM_FACTOR * limit), tries=2)
        return answer

    def _generated(self, request: Request, inputs: Mapping[str, torch.Tensor], room: int) -> Answer:
        """Returns the answer of at most so many tokens."""
        try:
            with self._lock, torch.inference_mode(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(self._parameters.get("seed", 0)) + request.repeat)
                tokens = self._model.generate(**inputs, **self._sampling(room))
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            return Answer(ReplyState.API_FAILED, note=f"not enough memory for this question: {error!s:.200}")
        said = tokens[0, inputs["input_ids"].shape[1] :]
        reply = self._tokenizer.decode(said, skip_special_tokens=True)
        raw = json.dumps({"tokens": int(tokens.shape[1])})
        if len(said) >= room and int(said[-1]) != self._end:
            return Answer(ReplyState.CUT_OFF, reply, raw, note=f"the reply was cut off at {room} tokens")
        return Answer(ReplyState.OK, reply=reply, raw=raw)

    def inputs(self, request: Request, images: list[Image.Image]) -> dict[str, torch.Tensor]:
        """Returns the model's inputs: tokens (one for each merged patch of an image), pixels and token types.

        Without the types the model falls back to one-dimensional positions and, depending on its family,
        sees images as noise or stops (huggingface/diffusers#14194).
        """
        pixels = self._processor(images=images, return_tensors="pt") if images else {}
        merged = self._processor.merge_size**2
        counts = [int(grid.prod()) // merged for grid in pixels.get("image_grid_thw", [])]
        ids = self._tokenizer(self._text(request, counts), return_tensors="pt", add_special_tokens=False)
        tokens = ids["input_ids"]
        inputs = {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "mm_token_type_ids": (tokens == self._pad).int(),
            **pixels,
        }
        return {name: value.to(self._device) for name, value in inputs.items()}

    def _text(self, request: Request, counts: list[int]) -> str:
        # The chat format of all three families, as in the chat template of their checkpoints.
        remaining = iter(counts)
        content = "".join(
            self._plain(part.text) if isinstance(part, Say) else f"{BEFORE}{IMAGE * next(remaining)}{AFTER}"
            for part in request.question.parts
        )
        system = self._plain(request.question.system) or "You are a helpful assistant."
        return (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{content}<|im_end|>\n"
            "<|im_start|>assistant\n"
        )

    def _plain(self, words: str) -> str:
        """Returns the text with special tokens broken up, so that it cannot end a turn or add an image."""
        for token in {IMAGE, BEFORE, AFTER, *self._tokenizer.get_added_vocab()}:
            words = words.replace(token, token.replace("<", "< "))
        return words

    def _sampling(self, room: int) -> dict[str, Any]:
        temperature = float(self._parameters.get("temperature", 0.0))
        sampling: dict[str, Any] = {
            "max_new_tokens": room,
            "do_sample": temperature > 0,
            "eos_token_id": self._end,
            "pad_token_id": self._pad,
        }
        if temperature > 0:
            sampling |= {"temperature": temperature, "top_p": float(self._parameters.get("top_p", 1.0))}
        return sampling


def _weights_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        total.update(bytes.fromhex(file_digest(path)))
    return total.hexdigest()
