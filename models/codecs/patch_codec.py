"""The codec of the demo: a linear map of 8x8 patches, fitted in closed form.

This module imports only torch and diffusers, because a copy of it is part of each registered model.
"""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin


class PatchSizeError(ValueError):
    """The sides of an image are not multiples of the patch size."""


class PatchCodec(ModelMixin, ConfigMixin):
    """Whitened principal components of patches: maps (B, 3, H, W) in [-1, 1] to (B, channels, H/p, W/p)."""

    @register_to_config
    def __init__(self, patch: int = 8, channels: int = 16) -> None:
        super().__init__()
        size = 3 * patch * patch
        self.mean = torch.nn.Parameter(torch.zeros(size), requires_grad=False)
        self.basis = torch.nn.Parameter(torch.zeros(channels, size), requires_grad=False)
        self.scale = torch.nn.Parameter(torch.ones(channels), requires_grad=False)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns latents (B, channels, H/p, W/p), each channel of unit variance over the fitted corpus."""
        patches = patchify(pixels, self.config["patch"])
        return ((patches - self.mean) @ self.basis.T / self.scale).movedim(-1, 1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Returns pixels (B, 3, H, W), unclamped, of latents from `encode`."""
        patches = (latents.movedim(1, -1) * self.scale) @ self.basis + self.mean
        return unpatchify(patches, self.config["patch"])


def fit_patch_codec(pixels: torch.Tensor, *, patch: int, channels: int) -> PatchCodec:
    """Returns the codec whose components explain the most variance of the patches of some images.

    Args:
        pixels: (N, 3, H, W) in [-1, 1]; H and W are multiples of `patch`.
        patch: side of a patch in pixels.
        channels: number of principal components, at most 3 * patch**2.
    """
    patches = patchify(pixels, patch).flatten(0, 2).double()
    mean = patches.mean(0)
    centred = patches - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(patches))
    basis = vectors.T.flip(0)[:channels]
    largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
    codec = PatchCodec(patch=patch, channels=channels)
    codec.mean.copy_(mean)
    codec.basis.copy_(basis * largest.sign())  # the sign of an eigenvector is arbitrary
    codec.scale.copy_(values.flip(0)[:channels].clamp_min(1e-8).sqrt())
    return codec.eval()


def patchify(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """Returns the patches of images (B, 3, H, W) as (B, H/p, W/p, 3 * p * p), channel-major.

    Raises:
        PatchSizeError: H or W is not a multiple of `patch`.
    """
    batch, channels, height, width = pixels.shape
    if height % patch or width % patch:
        raise PatchSizeError(
            f"Images of {height}x{width} pixels cannot be divided into {patch}x{patch} patches."
        )
    blocks = pixels.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return blocks.permute(0, 2, 4, 1, 3, 5).flatten(3)


def unpatchify(patches: torch.Tensor, patch: int) -> torch.Tensor:
    """Returns the images (B, 3, H, W) of patches from `patchify`."""
    batch, rows, columns, _ = patches.shape
    blocks = patches.reshape(batch, rows, columns, 3, patch, patch)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(batch, 3, rows * patch, columns * patch)
