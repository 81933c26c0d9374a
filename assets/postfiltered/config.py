"""Settings of the post-filter (report 2.6)."""

from pydantic import BaseModel, Field

EVALUATOR = "models/evaluator"


class PostfilteredConfig(BaseModel, frozen=True, extra="forbid"):
    """The joint screening of samples by alignment and quality."""

    min_alignment: float = Field(ge=0, le=1, description="evaluator score below which an edit is dropped")
    alignment_exempt: tuple[str, ...] = Field(
        description="categories, subcategories or templates that the evaluator does not judge"
    )
    min_quality: float | None = Field(
        description="quality of the target below which a sample is dropped; null judges no quality"
    )
    quality_exempt: tuple[str, ...] = Field(
        description="categories, subcategories or templates that lower quality on purpose"
    )
