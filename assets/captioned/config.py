"""What a profile says about captions."""

from typing import Literal

from pydantic import BaseModel, Field

from models.common.fields import Identity


class CaptionedConfig(BaseModel, frozen=True, extra="forbid"):
    """Which captioner describes the kept images."""

    captioner: Identity[Literal["embedded"]] = Field(
        description="embedded: describes colours, exposure, layout and OCR text"
    )
