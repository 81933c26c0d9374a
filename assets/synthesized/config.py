"""What a profile says about synthesis: which templates, how many pairs, how large."""

from pydantic import BaseModel, Field, field_validator

from assets.synthesized.templates.catalogue import TEMPLATES


class SynthesizedConfig(BaseModel, frozen=True, extra="forbid"):
    """Pairs that the model-free templates make of kept images."""

    seed: int = Field(ge=0)
    templates: tuple[str, ...] = Field(min_length=1, description="names from the catalogue")
    train_pairs: int = Field(ge=0, description="forward pairs; inversions come on top")
    heldout_pairs: int = Field(ge=0)
    long_side: int = Field(ge=64, le=4096, description="pixels; larger sources are stored again, shrunk")
    pairs_per_shard: int = Field(ge=1, le=100_000)

    @field_validator("templates")
    @classmethod
    def _templates_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in TEMPLATES]
        if unknown:
            raise ValueError(f"no template is called {unknown[0]}; there are {', '.join(TEMPLATES)}")
        if len(set(names)) < len(names):
            raise ValueError("a template is named twice")
        return names
