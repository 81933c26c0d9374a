"""What a profile says about synthesis: which templates, how many pairs, how large."""

from pydantic import BaseModel, Field, field_validator

from assets.synthesized.templates.catalogue import TEMPLATES
from models.common.checks import did_you_mean
from models.common.fields import Identity


class SynthesizedConfig(BaseModel, frozen=True, extra="forbid"):
    """Pairs that the model-free templates make of kept images."""

    seed: Identity[int] = Field(ge=0, description="seed of sources, templates and their parameters")
    templates: Identity[tuple[str, ...]] = Field(min_length=1, description="names from the catalogue")
    train_pairs: Identity[int] = Field(ge=0, description="forward pairs for training; inversions are extra")
    heldout_pairs: Identity[int] = Field(
        ge=0, description="forward pairs of held-out images; inversions are extra"
    )
    long_side: Identity[int] = Field(
        ge=64, le=4096, description="pixels; larger sources are shrunk to this and stored again"
    )
    # Identity, because another number renames and rewrites every shard of targets.
    pairs_per_shard: Identity[int] = Field(ge=1, le=100_000, description="pairs in an image shard, at most")

    @field_validator("templates")
    @classmethod
    def _templates_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in TEMPLATES]
        if unknown:
            raise ValueError(f"no template is called {unknown[0]}. {did_you_mean(unknown[0], TEMPLATES)}")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is named twice. Remove one.")
        return names
