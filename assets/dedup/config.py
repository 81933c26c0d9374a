"""Settings of deduplication (report 2.2.1)."""

from typing import Self

from pydantic import BaseModel, Field, model_validator

from models.common.fields import Identity


class DedupConfig(BaseModel, frozen=True, extra="forbid"):
    """Level 1: which images of the whole corpus show the same photograph."""

    pdq_max_distance: Identity[int] = Field(
        ge=0, le=128, description="bits of 256 in which the PDQ hashes of two copies differ, at most"
    )
    pdq_min_quality: Identity[int] = Field(
        ge=0,
        le=100,
        description="PDQ quality, 0 to 100, below which an image has too little structure to be matched",
    )
    false_pair_rate: Identity[float] = Field(
        gt=0,
        lt=1,
        description="share, 0 to 1, of unrelated pairs that the descriptor passes on to registration",
    )
    min_similarity: Identity[float] = Field(
        ge=-1, le=1, description="descriptor cosine, -1 to 1, below which no pair is registered"
    )
    min_alignment: Identity[float] = Field(
        ge=0, le=1, description="correlation, 0 to 1, from which a registered pair counts as copies"
    )
    n_cells: Identity[int] = Field(
        gt=0, description="k-means cells of the descriptor space; 1 compares every image with every other"
    )
    cells_per_image: Identity[int] = Field(gt=0, description="nearest cells in which an image is compared")
    seed: Identity[int] = Field(ge=0, description="seed of the k-means cells")

    @model_validator(mode="after")
    def _cells_exist(self) -> Self:
        if self.cells_per_image > self.n_cells:
            raise ValueError(
                f"cells_per_image {self.cells_per_image} is more than n_cells {self.n_cells}. Lower it."
            )
        return self


class PairsConfig(BaseModel, frozen=True, extra="forbid"):
    """Levels 2 and 3: which edits change nothing, change everything, or repeat another edit."""

    identity_max_change: Identity[float] = Field(
        ge=0,
        le=1,
        description="mean absolute change of the most changed block, 0 to 1, up to which an edit is none",
    )
    unrelated_max_similarity: Identity[float] = Field(
        ge=-1,
        le=1,
        description="descriptor cosine of source and target, -1 to 1; an edit below both limits is unrelated",
    )
    unrelated_max_ssim: Identity[float] = Field(
        ge=-1, le=1, description="SSIM of source and target, -1 to 1; an edit below both limits is unrelated"
    )
    unrelated_exempt: Identity[tuple[str, ...]] = Field(
        description="categories, subcategories or templates that replace most of the image on purpose"
    )
    near_duplicate_max_rmse: Identity[float] = Field(
        ge=0,
        le=255,
        description="grey levels, 0 to 255; RMSE between duplicate targets of one source and edit, at most",
    )
