"""Settings of the coverage index and the refill (report 2.4)."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, Field, field_serializer, field_validator

from models.common.checks import http_address
from models.common.fields import Identity, Operational

INDEX_FOLDER = "qdrant"
REFILLED = "longtail"
"""The name of the tables and shards that a refill makes."""


class LongtailConfig(BaseModel, frozen=True, extra="forbid"):
    """How coverage is counted, and how much one refill round adds."""

    qdrant_url: Operational[str | None] = Field(
        description="URL of a Qdrant server; null keeps a local index of at most 20,000 texts",
    )
    collection: Operational[str] = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="name of the Qdrant collection"
    )
    min_similarity: Identity[float] = Field(
        ge=-1, le=1, description="cosine, -1 to 1, from which two instructions are neighbours"
    )
    exemplars: Identity[int] = Field(
        gt=0, description="instructions of a category whose neighbours are counted, at most"
    )
    refill_pairs: Identity[int] = Field(
        ge=0, description="pairs that one round adds to the thinnest category"
    )
    demand: Identity[Path | None] = Field(
        description="demand.json of a benchmark, whose pairs by category replace refill_pairs; or null"
    )

    @field_validator("qdrant_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        return None if url is None else http_address(url)

    @field_validator("demand")
    @classmethod
    def _demand_exists(cls, demand: Path | None) -> Path | None:
        if demand is not None and not demand.is_file():
            raise ValueError("there is no such file. `emberline bench` writes demand.json beside its report.")
        return demand

    @field_serializer("demand", when_used="json")
    def _content(self, demand: Path | None) -> str | None:
        """Returns a digest of the file, so that new content reruns the step and a new path does not."""
        if demand is None or not demand.is_file():
            return None if demand is None else str(demand)
        return f"sha256:{hashlib.sha256(demand.read_bytes()).hexdigest()}"
