"""What a template is: one deterministic edit with a name, a place in the taxonomy and few choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Parameters = Mapping[str, str]
"""Choices from small named sets; every one of them is said in the instruction."""


class Wording(NamedTuple):
    """The words for one kind of edit in one language.

    `{word}`, `{color}` and `{position}` stand for the parameters of the template.

    Attributes:
        commands: imperatives; the first is the canonical instruction. None occurs under two kinds of edit.
        result: a noun phrase for the edited image.
        detail: a sentence that says exactly what changes.
    """

    commands: tuple[str, ...]
    result: str
    detail: str


class Wordings(NamedTuple):
    """The words for one kind of edit in both languages."""

    en: Wording
    zh: Wording


Draw = Callable[[np.random.Generator], Parameters]
Apply = Callable[[Sequence[np.ndarray], Parameters], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """Where an edit stands: a category of report 2.1 (I2I) and the category of REDEdit-Bench."""

    category: str
    subcategory: str


@dataclass(frozen=True)
class Template:
    """A model-free edit (report 2.3).

    Attributes:
        name: also the kind of edit in every figure; `<name>:inverse` is the swapped pair.
        kind: of the edit itself.
        references: how many pictures it takes.
        draw: parameters from a generator.
        apply: the target (H, W, 3) uint8 from the sources, of the first source's size; no randomness.
        inverse: the kind of the swapped pair, None where the edit loses what its inverse would have to show.
    """

    name: str
    kind: Kind
    references: int
    draw: Draw
    apply: Apply
    inverse: Kind | None = None

    @property
    def invertible(self) -> bool:
        """Whether source and target may be swapped into a second sample (task inversion, report 2.3)."""
        return self.inverse is not None


def no_choice(generator: np.random.Generator) -> Parameters:  # noqa: ARG001 the signature of every draw
    """Returns no parameters, for edits that come in one strength."""
    return {}


def one_of(**choices: Sequence[str]) -> Draw:
    """Returns a draw that takes one value of each named set, all equally likely."""

    def draw(generator: np.random.Generator) -> Parameters:
        return {name: str(values[int(generator.integers(len(values)))]) for name, values in choices.items()}

    return draw


def rounded(values: np.ndarray) -> np.ndarray:
    """Returns values as uint8 levels, rounded and clipped to 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def through_curve(pixels: np.ndarray, exponents: tuple[float, float, float]) -> np.ndarray:
    """Returns pixels with each channel v (0 to 1) raised to its exponent: no value clips, order is kept."""
    levels = np.linspace(0, 1, 256)
    curves = np.stack([rounded(255 * levels**exponent) for exponent in exponents], axis=1)
    return np.stack([curves[pixels[:, :, channel], channel] for channel in range(3)], axis=2)
