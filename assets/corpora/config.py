"""What a profile says about raw material: which corpora there are, and how the demo's own is made."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """One corpus: where its files are and under what licence they came."""

    name: Name
    path: str = Field(min_length=1, description="folder: inside the lake, absolute, or s3://bucket/prefix")
    reader: Literal["folder"] = Field(
        description="folder: image files, and metadata.jsonl where there is one"
    )
    license: str = Field(min_length=1, description="of files that metadata.jsonl gives none")


class ProbeConfig(BaseModel, frozen=True, extra="forbid"):
    """Limits of the process in which each file is decoded for the first time."""

    seconds: int = Field(ge=1, le=600, description="wall-clock time for one image")
    memory_mib: int = Field(ge=512, le=2047, description="address space of the process")
    file_mib: int = Field(ge=1, le=1024, description="larger files are refused unread")


class CorporaConfig(BaseModel, frozen=True, extra="forbid"):
    """The profile's corpora and how they are cut into ingest batches."""

    corpora: tuple[CorpusConfig, ...] = Field(min_length=1)
    files_per_batch: int = Field(ge=1, le=2_000_000)
    shard_mib: int = Field(ge=1, le=1024, description="an image shard is closed when it reaches this size")
    heldout_share: float = Field(gt=0, lt=1, description="of groups whose metadata names no split")
    probe: ProbeConfig

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [corpus.name for corpus in self.corpora]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two corpora are called {twice[0]}; each needs a name of its own")
        return self


class DemoCorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """The demo's corpus: how many pictures, how large, and how many of each defect are planted in it."""

    corpus: Name
    images: Path | None = Field(description="folder of photographs; null for the built-in ones")
    seed: int = Field(ge=0)
    train_images: int = Field(ge=4, le=100_000)
    heldout_images: int = Field(ge=2, le=100_000)
    crop_side_min: int = Field(ge=32, le=4096, description="pixels; short regions give smaller crops")
    crop_side_max: int = Field(ge=32, le=4096)
    photograph_side: int = Field(
        ge=256, le=8192, description="photographs are shrunk to this before cropping"
    )
    oblong_share: float = Field(ge=0, le=1, description="of crops that are 4:3 or 3:4 instead of square")
    max_overlap: float = Field(ge=0, lt=1, description="intersection over union of two crops of a region")
    planted_per_defect: int = Field(ge=1, le=1000)
    probe: ProbeConfig

    @model_validator(mode="after")
    def _sides_are_in_order(self) -> Self:
        if self.crop_side_max < self.crop_side_min:
            raise ValueError(
                f"crop_side_max {self.crop_side_max} is smaller than crop_side_min {self.crop_side_min}. "
                "Raise the one or lower the other."
            )
        return self


class ListedDemoCorpusConfig(DemoCorpusConfig, frozen=True, extra="forbid"):
    """The same with what lies in `images`, so that the corpus is made anew when photographs come or go."""

    listing: str | None = Field(description="digest of names, sizes and times; null without a folder")
