"""What decides a benchmark run; the values stand in the profile."""

from pydantic import BaseModel, Field


class BenchConfig(BaseModel, frozen=True, extra="forbid"):
    """The demo suite's size and how every editor samples it."""

    samples_per_kind: int = Field(gt=0, description="held-out samples of each edit kind")
    seed: int = Field(ge=0, description="of the noise; each sample draws its own from it and its id")
    steps: int = Field(gt=0, le=1000, description="Euler steps")
    batch: int = Field(
        gt=0, description="samples edited at once; changes speed, and floats in the last digit"
    )
    shown_per_kind: int = Field(gt=1, description="samples of each kind on the report page, best to worst")
