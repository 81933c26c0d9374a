"""The sizes of the editor. Imports no Torch, so that profiles load fast."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from models.common.fields import Identity
from models.editor.geometry import resolution_mu

Axis = Annotated[int, Field(ge=2)]


class EditorConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of the transformer; everything else about it is Qwen-Image's."""

    latent_channels: Identity[int] = Field(
        ge=1, description="channels of a latent; a token packs four latents, so it has four times as many"
    )
    layers: Identity[int] = Field(ge=1, description="double-stream blocks")
    heads: Identity[int] = Field(ge=1, description="attention heads")
    head_dim: Identity[int] = Field(
        ge=1, description="channels of a head; the model is heads times head_dim wide"
    )
    text_dim: Identity[int] = Field(ge=1, description="channels of the text encoder's token states")
    rope_axes: Identity[tuple[Axis, Axis, Axis]] = Field(
        description="channels of a head that encode image index, row and column; their sum is head_dim"
    )
    zero_cond_t: Identity[bool] = Field(
        description="whether reference tokens get the timestep of a clean image (Qwen-Image-Edit-2511)"
    )

    @model_validator(mode="after")
    def _rotary_axes_fit_a_head(self) -> Self:
        if sum(self.rope_axes) != self.head_dim or any(axis % 2 for axis in self.rope_axes):
            raise ValueError(
                f"rope_axes {self.rope_axes} must be even numbers whose sum is head_dim {self.head_dim}, "
                "about a quarter for the image index and the rest in halves for row and column."
            )
        return self


class ResolutionShift(BaseModel, frozen=True, extra="forbid"):
    """How noise levels move up with the size of the target, linear in its tokens (Qwen-Image's scheduler)."""

    base_tokens: Identity[int] = Field(ge=1, description="tokens of a target at which the shift is base_mu")
    max_tokens: Identity[int] = Field(ge=2, description="tokens of a target at which the shift is max_mu")
    base_mu: Identity[float] = Field(description="shift at base_tokens, added to the logit of a noise level")
    max_mu: Identity[float] = Field(description="shift at max_tokens, added to the logit of a noise level")

    @model_validator(mode="after")
    def _tokens_are_in_order(self) -> Self:
        if self.max_tokens <= self.base_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} is not above base_tokens {self.base_tokens}, so the shift "
                "has no slope. Raise the one or lower the other."
            )
        return self

    def mu(self, tokens: int) -> float:
        """Returns the shift for a target of so many tokens; see `models.editor.geometry.resolution_mu`."""
        return resolution_mu(tokens, **self.model_dump())
