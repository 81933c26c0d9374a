"""A blind study as data: what is shown to whom in which order, and on what scale it is rated (report 5.1)."""

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from models.common.files import write_atomically
from models.common.seeding import numpy_generator

STUDY_FILE = "study.json"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class StudyError(ValueError):
    """A study, its items or its outputs cannot be used as they are; the message says what to fix."""


class Dimension(BaseModel, frozen=True, extra="forbid"):
    """One question that every image is rated on."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="column of exports")
    name: str = Field(min_length=1, description="heading on the page")
    question: str = Field(min_length=1, description="what the rater decides")
    lowest: str = Field(min_length=1, description="meaning of the lowest point")
    highest: str = Field(min_length=1, description="meaning of the highest point")
    unedited: Literal["lowest", "highest"] | None = Field(
        default=None, description="the right answer for a source that was handed back unedited"
    )


class Card(BaseModel, frozen=True, extra="forbid"):
    """One image to rate: a model's output, or a sentinel whose right answer is known."""

    key: str
    kind: Literal["output", "unedited", "duplicate"]
    model: str | None = Field(description="whose output is shown; null for the unedited source")
    file: str = Field(description="below the study's folder; its name says nothing")


class StudyItem(BaseModel, frozen=True, extra="forbid"):
    """One input with the images that models made of it."""

    item_id: str
    cluster: str = Field(description="items that share a source share a cluster and are drawn together")
    instruction: str
    lang: str = Field(description="of the instruction")
    sources: tuple[str, ...] = Field(min_length=1, description="files of the source pictures")
    width: int = Field(gt=0, description="of the first source and of all outputs, in pixels")
    height: int = Field(gt=0)
    cards: tuple[Card, ...] = Field(max_length=len(LETTERS))
    missing: dict[str, str] = Field(description="model to the reason why there is no output to show")


class Study(BaseModel, frozen=True, extra="forbid"):
    """Everything that decides what raters see and how their ratings are read."""

    title: str
    seed: int = Field(ge=0)
    scale: tuple[float, ...] = Field(min_length=2, max_length=9, description="values of keys 1, 2, ...")
    dimensions: tuple[Dimension, ...] = Field(min_length=1, max_length=6)
    raters: int = Field(gt=0, description="results name the models once so many rated every item")
    models: tuple[str, ...] = Field(min_length=1)
    items: tuple[StudyItem, ...] = Field(min_length=1)
    left_out: dict[str, dict[str, str]] = Field(
        description="items without source or with too few outputs: id to model to the reason"
    )

    @model_validator(mode="after")
    def _unique(self) -> "Study":
        for what, names in (
            ("item", [item.item_id for item in self.items]),
            ("dimension", [dimension.key for dimension in self.dimensions]),
            ("point of the scale", list(self.scale)),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"the same {what} twice")
        if list(self.scale) != sorted(self.scale) or self.scale[0] < 0:
            raise ValueError("the scale must ascend from 0 or more: key 1 is the worst")
        return self

    @property
    def study_id(self) -> str:
        """A digest of the whole: ratings of another version of the study are not mixed with these."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


DIMENSIONS = (
    Dimension(
        key="prompt_following",
        name="Prompt following",
        question="Does the picture do what the instruction asks, all of it and nothing else?",
        lowest="not at all",
        highest="completely",
        unedited="lowest",
    ),
    Dimension(
        key="consistency",
        name="Consistency",
        question="Is everything that the instruction does not mention the same as in the source?",
        lowest="much has changed",
        highest="all is kept",
        unedited="highest",
    ),
)
"""The two dimensions of report 5.1.1."""


def read_study(folder: Path) -> Study:
    """Returns the study of a folder.

    Raises:
        StudyError: there is none, or it is not valid.
    """
    path = folder / STUDY_FILE
    if not path.exists():
        raise StudyError(
            f"{path} is missing. Make a study with `emberline rate create {shlex.quote(str(folder))} ...`."
        )
    try:
        return Study.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise StudyError(f"{path} is not a valid study: {error}") from error


def write_study(folder: Path, study: Study) -> None:
    """Writes the study last, after its images, so that a folder with a study is complete."""
    write_atomically(folder / STUDY_FILE, (study.model_dump_json(indent=1) + "\n").encode())


def item_order(study: Study, rater: int) -> list[StudyItem]:
    """Returns all items in the order in which a rater meets them; a function of seed and rater alone."""
    order = numpy_generator(study.seed, "items", rater).permutation(len(study.items))
    return [study.items[place] for place in order]


def card_order(study: Study, rater: int, item: StudyItem) -> Sequence[Card]:
    """Returns an item's cards from left to right for a rater; a function of seed, rater and item alone."""
    order = numpy_generator(study.seed, "cards", rater, item.item_id).permutation(len(item.cards))
    return [item.cards[place] for place in order]
