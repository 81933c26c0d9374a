"""The type of a template: a deterministic edit with a name, a category and a few parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Parameters = Mapping[str, str]
"""Values from small sets, by name; the instruction mentions all of them."""


class Wording(NamedTuple):
    """The phrases for one edit in one language.

    `{word}`, `{color}` and `{position}` stand for the parameters of the template.

    Attributes:
        commands: imperatives; the first is the canonical instruction. None occurs for two edits.
        result: a noun phrase for the edited image.
        detail: a sentence that says exactly what changes.
    """

    commands: tuple[str, ...]
    result: str
    detail: str


class Wordings(NamedTuple):
    """The phrases for one edit in both languages."""

    en: Wording
    zh: Wording


Draw = Callable[[np.random.Generator], Parameters]
Apply = Callable[[Sequence[np.ndarray], Parameters], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """The category of an edit in report 2.1 (I2I), and as subcategory that of REDEdit-Bench."""

    category: str
    subcategory: str


@dataclass(frozen=True)
class Template:
    """A model-free edit (report 2.3).

    Attributes:
        name: name of the edit; `<name>:inverse` is the name of the swapped pair.
        kind: category of the edit.
        references: number of source images.
        draw: draws parameters from a generator.
        apply: returns the target (H, W, 3) uint8 at the size of the first source; it uses no randomness.
        inverse: category of the swapped pair; None if the edit loses information that the inverse needs.
    """

    name: str
    kind: Kind
    references: int
    draw: Draw
    apply: Apply
    inverse: Kind | None = None

    @property
    def invertible(self) -> bool:
        """Whether source and target can be swapped to give a second sample (task inversion, report 2.3)."""
        return self.inverse is not None


def no_choice(generator: np.random.Generator) -> Parameters:  # noqa: ARG001 the signature of Draw
    """Returns no parameters, for edits that have none."""
    return {}


def one_of(**choices: Sequence[str]) -> Draw:
    """Returns a Draw that selects one value of each set with equal probability."""

    def draw(generator: np.random.Generator) -> Parameters:
        return {name: str(values[int(generator.integers(len(values)))]) for name, values in choices.items()}

    return draw


def rounded(values: np.ndarray) -> np.ndarray:
    """Returns values as uint8 levels, rounded and clipped to 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def through_curve(pixels: np.ndarray, exponents: tuple[float, float, float]) -> np.ndarray:
    """Returns pixels with each channel, scaled to 0 to 1, raised to its exponent; no value is clipped."""
    levels = np.linspace(0, 1, 256)
    curves = np.stack([rounded(255 * levels**exponent) for exponent in exponents], axis=1)
    return np.stack([curves[pixels[:, :, channel], channel] for channel in range(3)], axis=2)
