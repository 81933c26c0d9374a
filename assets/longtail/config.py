"""Settings of the coverage index and the refill (report 2.4)."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, Field, field_serializer

INDEX_FOLDER = "qdrant"
REFILLED = "longtail"
"""The name of the tables and shards that a refill makes."""


class LongtailConfig(BaseModel, frozen=True, extra="forbid"):
    """How coverage is counted, and how much one refill round adds."""

    qdrant_url: str | None = Field(
        pattern=r"^https?://", description="a Qdrant server; null keeps a local index of at most 20,000 texts"
    )
    collection: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="name of the collection")
    min_similarity: float = Field(
        ge=-1, le=1, description="cosine from which two instructions are neighbours"
    )
    exemplars: int = Field(
        gt=0, description="instructions of a category whose neighbours are counted, at most"
    )
    refill_pairs: int = Field(ge=0, description="pairs that one round adds to the thinnest category")
    demand: Path | None = Field(
        description="demand.json of a benchmark, whose pairs by category take the place of those; or null"
    )

    @field_serializer("demand", when_used="json")
    def _content(self, demand: Path | None) -> str | None:
        """Returns a digest of the file: one that changed makes the step anew, one that was moved does not."""
        if demand is None or not demand.is_file():
            return None if demand is None else str(demand)
        return f"sha256:{hashlib.sha256(demand.read_bytes()).hexdigest()}"
