"""What decides a benchmark run; the profile holds the values."""

from pydantic import BaseModel, Field

from models.common.fields import Identity, Operational


class BenchConfig(BaseModel, frozen=True, extra="forbid"):
    """The demo suite's size and how every editor samples it."""

    samples_per_kind: Identity[int] = Field(gt=0, description="held-out samples of each kind of edit")
    seed: Identity[int] = Field(
        ge=0, description="seed of the noise; each sample draws its own from it and its id"
    )
    steps: Identity[int] = Field(gt=0, le=1000, description="Euler steps")
    batch: Operational[int] = Field(
        gt=0,
        description="samples edited at once; results may differ in the last digits with another number",
    )
    shown_per_kind: Operational[int] = Field(
        gt=1, description="samples of each kind on the report page, from best to worst"
    )
