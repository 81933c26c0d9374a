"""Encodes images and texts as the tensors of the cache, and fits the codec."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from models.codecs.patch_codec import PatchCodec, fit_patch_codec
from models.common.tensors import to_model_range
from models.text_encoders.minilm import TextEncoder

BATCH = 64


def fit_codec(images: Sequence[np.ndarray], *, patch: int, channels: int) -> PatchCodec:
    """Returns a patch codec fitted on images (H, W, 3) uint8 of one size."""
    return fit_patch_codec(to_model_range(np.stack(images)), patch=patch, channels=channels)


@torch.no_grad()
def encode_images(codec: PatchCodec, images: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Returns float32 latents (C, h, w) by key, for images (H, W, 3) uint8 of one size."""
    latents: dict[str, torch.Tensor] = {}
    keys = sorted(images)
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        encoded = codec.encode(to_model_range(np.stack([images[key] for key in part])))
        latents |= {key: latent.clone() for key, latent in zip(part, encoded, strict=True)}
    return latents


def encode_texts(encoder: TextEncoder, texts: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Returns float16 token states (T, D) without padding, by key."""
    states: dict[str, torch.Tensor] = {}
    # Sorted by length, so that texts of similar length share a batch and need little padding.
    keys = sorted(texts, key=lambda key: (len(texts[key]), key))
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        padded, mask = encoder.encode([texts[key] for key in part])
        for key, state, real in zip(part, padded, mask, strict=True):
            states[key] = state[real].to(torch.float16)
    return states
