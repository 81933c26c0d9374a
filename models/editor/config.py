"""The sizes of the editor, without Torch, so that a profile is read in a moment."""

from dataclasses import dataclass
from typing import ClassVar

PATCH = 2
"""Latents are packed in 2x2 blocks, so a token covers 16 pixels of a codec that shrinks by 8."""


@dataclass(frozen=True)
class EditorConfig:
    """The size of the transformer; everything else about it is Qwen-Image's.

    Attributes:
        latent_channels: of the codec. Four times as many make a token, which must be less than the width.
        layers: double-stream blocks.
        heads: attention heads.
        head_dim: width of a head; the width of the model is `heads * head_dim`.
        text_dim: channels of the text encoder's token states.
        rope_axes: how the channels of a head are shared by image index, row and column.
        zero_cond_t: whether reference tokens are told that they are clean (Qwen-Image-Edit-2511).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # a profile's misspelt field is an error

    latent_channels: int
    layers: int
    heads: int
    head_dim: int
    text_dim: int
    rope_axes: tuple[int, int, int]
    zero_cond_t: bool

    def __post_init__(self) -> None:
        for name in ("latent_channels", "layers", "heads", "head_dim", "text_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} must be at least 1.")
        if sum(self.rope_axes) != self.head_dim or any(axis % 2 for axis in self.rope_axes):
            raise ValueError(
                f"rope_axes {self.rope_axes} must be even numbers whose sum is head_dim {self.head_dim}, "
                "about a quarter for the image index and the rest in halves for row and column."
            )


@dataclass(frozen=True)
class ResolutionShift:
    """How noise levels move up with the size of the target, linear in its tokens (Qwen-Image's scheduler)."""

    base_tokens: int
    max_tokens: int
    base_mu: float
    max_mu: float

    def mu(self, tokens: int) -> float:
        """Returns the shift for a target of so many tokens; references don't count."""
        slope = (self.max_mu - self.base_mu) / (self.max_tokens - self.base_tokens)
        return self.base_mu + slope * (tokens - self.base_tokens)
