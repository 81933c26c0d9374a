"""What a profile says about filtering: rules as data, in the order of decision (report 2.2.2 to 2.2.5)."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

Group = Literal["corpus", "category"]


class Rule(BaseModel, frozen=True, extra="forbid"):
    """One rule over one measured column.

    An image without a value is kept: it was not measured. One whose value is not a number is dropped.
    """

    measure: str = Field(
        pattern=r"^\w+\.\w+$", description="a measured column, such as photometric.sharpness"
    )
    keep: Literal["above", "below", "between", "equals"] = Field(
        description="above and below keep the threshold itself"
    )
    value: float | tuple[float, float] | None = Field(
        default=None, description="the threshold; two of them for between; true is 1 and false 0"
    )
    quantile: float | None = Field(
        default=None, gt=0, lt=1, description="the threshold as a quantile of the images that it judges"
    )
    per: tuple[Group, ...] = Field(default=(), description="groups that each have a quantile of their own")
    unless_category: tuple[str, ...] = Field(
        default=(), description="categories or subcategories whose edits do on purpose what the rule forbids"
    )

    @model_validator(mode="after")
    def _has_one_threshold(self) -> Self:
        if (self.value is None) == (self.quantile is None):
            raise ValueError("a rule has either a value or a quantile; give one of them")
        if (self.keep == "between") != isinstance(self.value, tuple):
            raise ValueError("between takes two values, [lowest, highest], and the other rules take one")
        if self.quantile is not None and self.keep not in ("above", "below"):
            raise ValueError("a quantile goes with above or below")
        if self.per and self.quantile is None:
            raise ValueError("per goes with a quantile: a value is the same for all groups")
        return self


class FilteredConfig(BaseModel, frozen=True, extra="forbid"):
    """All rules by name; the first that an image fails decides."""

    rules: dict[str, Rule] = Field(min_length=1)
