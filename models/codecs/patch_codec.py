"""The demo's codec: 8x8 patches through a linear map fitted in closed form. Imports only torch and diffusers,
because a copy of this file travels inside the registered model."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin


class PatchCodec(ModelMixin, ConfigMixin):
    """Whitened principal components of image patches: (B, 3, H, W) in [-1, 1] to (B, channels, H/p, W/p)."""

    @register_to_config
    def __init__(self, patch: int = 8, channels: int = 16) -> None:
        super().__init__()
        size = 3 * patch * patch
        self.mean = torch.nn.Parameter(torch.zeros(size), requires_grad=False)
        self.basis = torch.nn.Parameter(torch.zeros(channels, size), requires_grad=False)
        self.scale = torch.nn.Parameter(torch.ones(channels), requires_grad=False)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns latents (B, channels, H/p, W/p), each channel of unit variance over the fitted corpus."""
        patches = cut(pixels, self.config["patch"])
        return ((patches - self.mean) @ self.basis.T / self.scale).movedim(-1, 1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Returns pixels (B, 3, H, W), unclamped, of latents from `encode`."""
        patches = (latents.movedim(1, -1) * self.scale) @ self.basis + self.mean
        return join(patches, self.config["patch"])


def fit_patch_codec(pixels: torch.Tensor, *, patch: int, channels: int) -> PatchCodec:
    """Returns the codec whose components explain most of the variance of these images' patches.

    Args:
        pixels: (N, 3, H, W) in [-1, 1]; sides divide by `patch`.
        patch: side of a patch in pixels.
        channels: principal components to keep, at most 3 * patch**2.
    """
    patches = cut(pixels, patch).flatten(0, 2).double()
    mean = patches.mean(0)
    centred = patches - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(patches))
    basis = vectors.T.flip(0)[:channels]
    largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
    codec = PatchCodec(patch=patch, channels=channels)
    codec.mean.copy_(mean)
    codec.basis.copy_(basis * largest.sign())  # eigenvectors have no sign of their own
    codec.scale.copy_(values.flip(0)[:channels].clamp_min(1e-8).sqrt())
    return codec.eval()


def cut(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """Returns (B, H/p, W/p, 3 * p * p): the patches of images (B, 3, H, W), channel-major."""
    batch, channels, height, width = pixels.shape
    if height % patch or width % patch:
        raise ValueError(f"Images of {height}x{width} pixels don't divide into {patch}x{patch} patches.")
    blocks = pixels.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return blocks.permute(0, 2, 4, 1, 3, 5).flatten(3)


def join(patches: torch.Tensor, patch: int) -> torch.Tensor:
    """Returns the images (B, 3, H, W) of patches from `cut`."""
    batch, rows, columns, _ = patches.shape
    blocks = patches.reshape(batch, rows, columns, 3, patch, patch)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(batch, 3, rows * patch, columns * patch)
