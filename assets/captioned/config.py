"""What a profile says about captions."""

from typing import Literal

from pydantic import BaseModel, Field


class CaptionedConfig(BaseModel, frozen=True, extra="forbid"):
    """Which captioner describes the kept images."""

    captioner: Literal["embedded"] = Field(description="embedded: colours, exposure, layout and OCR text")
