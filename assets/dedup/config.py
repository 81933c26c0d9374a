"""Settings of deduplication (report 2.2.1)."""

from pydantic import BaseModel, Field


class DedupConfig(BaseModel, frozen=True, extra="forbid"):
    """Level 1: which images of the whole corpus show the same photograph."""

    pdq_max_distance: int = Field(ge=0, le=128, description="bits of 256 that copies may differ by")
    pdq_min_quality: int = Field(
        ge=0, le=100, description="below it an image has too little structure to be matched by its looks"
    )
    false_pair_rate: float = Field(
        gt=0, lt=1, description="share of unrelated pairs whose descriptors are checked by alignment"
    )
    min_similarity: float = Field(ge=-1, le=1, description="cosine below which no pair is checked")
    min_alignment: float = Field(ge=0, le=1, description="correlation above which a checked pair is a copy")
    n_cells: int = Field(gt=0, description="k-means cells of the descriptor space; 1 compares all with all")
    cells_per_image: int = Field(gt=0, description="nearest cells that an image is compared in")
    seed: int


class PairsConfig(BaseModel, frozen=True, extra="forbid"):
    """Levels 2 and 3: which edits change nothing, everything, or what another edit already changed."""

    identity_max_change: float = Field(
        ge=0, le=1, description="mean absolute change of the most changed block, at most, of an identity"
    )
    unrelated_max_similarity: float = Field(
        ge=-1, le=1, description="descriptor cosine of source and target below which they may be unrelated"
    )
    unrelated_max_ssim: float = Field(ge=-1, le=1, description="and the SSIM below which they are")
    unrelated_exempt: tuple[str, ...] = Field(
        description="categories, subcategories or templates that replace most of the picture on purpose"
    )
    near_duplicate_max_rmse: float = Field(
        ge=0, le=255, description="grey levels between two targets of one source and edit, at most"
    )
