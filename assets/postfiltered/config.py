"""Settings of the post-filter (report 2.6)."""

from pydantic import BaseModel, Field


class PostfilteredConfig(BaseModel, frozen=True, extra="forbid"):
    """The screening of samples by alignment. Quality of a target is judged by the rules of `filtered`."""

    min_alignment: float = Field(ge=0, le=1, description="evaluator score below which an edit is dropped")
    alignment_exempt: tuple[str, ...] = Field(
        description="categories, subcategories or templates that the evaluator does not judge"
    )
