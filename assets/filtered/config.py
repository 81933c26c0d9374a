"""What a profile says about filtering: rules as data, in the order of decision (report 2.2.2 to 2.2.5)."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from models.common.fields import Identity

Group = Literal["corpus", "category"]


class Rule(BaseModel, frozen=True, extra="forbid"):
    """One rule over one measured column.

    An image without a value was not measured and is kept. An image whose value is not a number is dropped.
    """

    measure: Identity[str] = Field(
        pattern=r"^\w+\.\w+$", description="a measured column, such as photometric.sharpness"
    )
    keep: Identity[Literal["above", "below", "between", "equals"]] = Field(
        description="which values are kept; above, below and between keep the threshold itself"
    )
    value: Identity[bool | float | tuple[float, float] | None] = Field(
        default=None,
        description="threshold in the unit of the measure; two for between; true or false for equals",
    )
    quantile: Identity[float | None] = Field(
        default=None, gt=0, lt=1, description="threshold as a quantile, 0 to 1, of the images that it judges"
    )
    per: Identity[tuple[Group, ...]] = Field(
        default=(), description="columns whose groups each have a quantile of their own"
    )
    unless_category: Identity[tuple[str, ...]] = Field(
        default=(), description="categories or subcategories whose edits do on purpose what the rule forbids"
    )

    @model_validator(mode="after")
    def _has_one_threshold(self) -> Self:
        if (self.value is None) == (self.quantile is None):
            raise ValueError("a rule has either a value or a quantile; give one of them")
        if (self.keep == "between") != isinstance(self.value, tuple):
            wanted = "two values, [lowest, highest]" if self.keep == "between" else "one value"
            raise ValueError(f"value: {self.keep} takes {wanted}.")
        if self.quantile is not None and self.keep not in ("above", "below"):
            raise ValueError("a quantile goes with above or below")
        if self.per and self.quantile is None:
            raise ValueError("per goes with a quantile: a value is the same for all groups")
        if isinstance(self.value, tuple) and self.value[0] > self.value[1]:
            raise ValueError(f"value {list(self.value)} keeps nothing. Write the lower bound first.")
        return self


class FilteredConfig(BaseModel, frozen=True, extra="forbid"):
    """All rules by name; the first that an image fails decides."""

    rules: Identity[dict[str, Rule]] = Field(min_length=1, description="rules by name, in order of decision")
