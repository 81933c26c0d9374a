"""What a profile says about raw material: which corpora exist, and how the demo makes its own."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from assets.lake.schemas import CATEGORIES
from models.common.checks import did_you_mean
from models.common.fields import Identity, Limit, Operational

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


S3_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/.*)?")
LOOKS_LIKE_AN_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|.*://")


ReaderName = Literal["folder", "pairs", "parquet", "webdataset", "firered"]
PresetName = Literal["omniedit", "magicbrush", "instructpix2pix", "ultraedit"]
Column = Annotated[str, Field(min_length=1)]


class ColumnsConfig(BaseModel, frozen=True, extra="forbid"):
    """Which columns of a corpus hold what: of its Parquet, metadata or JSON files."""

    target: Identity[Column] = Field(description="column of the image to learn, for an edit its result")
    sources: Identity[tuple[Column, ...]] = Field(
        default=(), description="columns of the reference images in prompt order; none for text to image"
    )
    texts: Identity[tuple[Column, ...]] = Field(
        default=(), description="columns of captions or instructions, in any language"
    )
    category: Identity[str | None] = Field(default=None, description="column of the category")
    subcategory: Identity[str | None] = Field(default=None, description="column of the subcategory")
    categories: Identity[Mapping[str, str]] = Field(
        default_factory=dict,
        description="`category/subcategory` of report 2.1 for values of the two columns above",
    )
    license: Identity[str | None] = Field(default=None, description="column of the licence")
    url: Identity[str | None] = Field(default=None, description="column of the address of the target")
    group: Identity[str | None] = Field(
        default=None, description="column of a name that samples share if they share pixels"
    )
    split: Identity[str | None] = Field(default=None, description="column with the split")

    def names(self) -> list[str]:
        """Returns all columns that are read."""
        single = (self.category, self.subcategory, self.license, self.url, self.group, self.split)
        return list(dict.fromkeys([self.target, *self.sources, *self.texts, *filter(None, single)]))

    @field_validator("categories")
    @classmethod
    def _categories_exist(cls, categories: Mapping[str, str]) -> Mapping[str, str]:
        for value, name in categories.items():
            category, _, subcategory = name.partition("/")
            if category not in CATEGORIES or (subcategory and subcategory not in CATEGORIES[category]):
                known = [f"{first}/{second}" for first, names in CATEGORIES.items() for second in names]
                raise ValueError(f"{value}: there is no category {name}{did_you_mean(name, known)}")
        return categories


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """One corpus: where its files are, how they are read, and what licence they have."""

    name: Identity[Name] = Field(description="name of the corpus in tables and ingest batches")
    path: Identity[str] = Field(
        min_length=1, description="folder: relative to the home, absolute, or s3://bucket/prefix"
    )
    reader: Identity[ReaderName] = Field(
        description="folder: image files with metadata.jsonl, .csv or .parquet; pairs: `x_source.png` and "
        "`x_target.png`, or columns of such metadata; parquet: Hugging Face files with images in their rows; "
        "webdataset: tar files; firered: JSON lines of the FireRed trainer"
    )
    license: Identity[str] = Field(min_length=1, description="licence where the corpus itself gives none")
    preset: Identity[PresetName | None] = Field(
        default=None, description="columns of a published dataset, instead of `columns`"
    )
    columns: Identity[ColumnsConfig | None] = Field(
        default=None, description="columns of the corpus; null takes the usual names of its reader"
    )

    @model_validator(mode="after")
    def _columns_are_given_once(self) -> Self:
        if self.preset is not None and self.columns is not None:
            raise ValueError("preset and columns both say what the columns hold; remove one of them")
        return self

    @model_validator(mode="after")
    def _sources_fit_the_reader(self) -> Self:
        if self.columns is None:
            return self
        if self.reader == "folder" and self.columns.sources:
            raise ValueError("the reader folder reads single images. Use the reader pairs, or remove sources")
        if self.reader == "pairs" and not self.columns.sources:
            raise ValueError("the reader pairs needs columns.sources, the columns of the reference images")
        return self

    @field_validator("path")
    @classmethod
    def _can_be_read(cls, path: str) -> str:
        if path.startswith("~"):
            raise ValueError("~ does not stand for your folder in a profile. Write the whole path.")
        if LOOKS_LIKE_AN_ADDRESS.match(path) and not S3_ADDRESS.fullmatch(path):
            raise ValueError(
                "only folders and s3://bucket/prefix can be read. A bucket has lower-case letters, digits, "
                "dots and hyphens."
            )
        return path


class ProbeConfig(BaseModel, frozen=True, extra="forbid"):
    """Limits of the sandboxed process that decodes each file for the first time.

    They are operational: a file that a limit stopped is tried again when the limit rises.
    """

    seconds: Limit[int] = Field(ge=1, le=600, description="seconds of wall-clock time for one image")
    memory_mib: Limit[int] = Field(ge=512, le=2047, description="MiB; address space of the process")
    file_mib: Limit[int] = Field(ge=1, le=1024, description="MiB; larger files are not read")


class CorporaConfig(BaseModel, frozen=True, extra="forbid"):
    """The profile's corpora and how they are cut into ingest batches."""

    corpora: Identity[tuple[CorpusConfig, ...]] = Field(min_length=1, description="corpora to ingest")
    # Batches are frozen when they are first listed, so a change only cuts the files of new batches.
    files_per_batch: Operational[int] = Field(
        ge=1,
        le=2_000_000,
        description="units (images, pairs, or files with many samples) in a new ingest batch, at most",
    )
    # Images that lie in a shard stay there, so a change only cuts new shards.
    shard_mib: Operational[int] = Field(
        ge=1, le=1024, description="MiB; a new image shard is closed when it reaches this size"
    )
    heldout_share: Identity[float] = Field(
        gt=0, lt=1, description="share, 0 to 1, of groups that are held out where the metadata names no split"
    )
    probe: ProbeConfig

    def of_corpus(self, name: str) -> "CorporaConfig":
        """Returns the section with one corpus alone; unchanged if it has none of this name."""
        own = tuple(corpus for corpus in self.corpora if corpus.name == name)
        return self.model_copy(update={"corpora": own}) if own else self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [corpus.name for corpus in self.corpora]
        paths = [corpus.path.rstrip("/") for corpus in self.corpora]
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f"two corpora have the path {path}; remove one of them")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two corpora are called {twice[0]}; each needs a name of its own")
        return self


class DemoCorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """The demo's corpus: how many images, how large, and how many of each defect are planted in it."""

    corpus: Identity[Name] = Field(description="name of the corpus, which corpora.corpora must list")
    # Operational, because `listing` below stands for the content of the folder.
    images: Operational[Path | None] = Field(
        description="folder of photographs; null takes the built-in photographs"
    )
    seed: Identity[int] = Field(ge=0, description="seed of splits, crops and defects")
    train_images: Identity[int] = Field(ge=4, le=100_000, description="images without defects for training")
    heldout_images: Identity[int] = Field(ge=2, le=100_000, description="held-out images without defects")
    crop_side_min: Identity[int] = Field(
        ge=32, le=4096, description="pixels; least side of a crop, less where a photograph is smaller"
    )
    crop_side_max: Identity[int] = Field(ge=32, le=4096, description="pixels; largest side of a crop")
    photograph_side: Identity[int] = Field(
        ge=256, le=8192, description="pixels; photographs are shrunk to this long side before cropping"
    )
    oblong_share: Identity[float] = Field(
        ge=0, le=1, description="share, 0 to 1, of crops that are 4:3 or 3:4 instead of square"
    )
    max_overlap: Identity[float] = Field(
        ge=0, lt=1, description="intersection over union, 0 to 1, of two crops of one region, at most"
    )
    planted_per_defect: Identity[int] = Field(
        ge=1, le=1000, description="images of each defect, over both splits"
    )
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
    """The same with a digest of the folder `images`, so that new or removed photographs rerun the step."""

    listing: Identity[str | None] = Field(
        description="digest of names, sizes and times of the files in `images`; null without a folder"
    )
