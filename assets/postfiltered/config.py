"""Settings of the post-filter (report 2.6)."""

from pydantic import BaseModel, Field

from models.common.fields import Identity


class PostfilteredConfig(BaseModel, frozen=True, extra="forbid"):
    """The screening of samples by alignment. The rules of `filtered` judge the quality of a target."""

    min_alignment: Identity[float] = Field(
        ge=0, le=1, description="evaluator score, 0 to 1, below which an edit is dropped"
    )
    alignment_exempt: Identity[tuple[str, ...]] = Field(
        description="categories, subcategories or templates that the evaluator does not judge"
    )
