"""Messages to a vision-language model as data: texts and images in order, and how each image is encoded."""

from dataclasses import dataclass
from typing import Literal

ImageRole = str
"""What an image is to the question, such as `source`, `source2`, `output` or `reference`."""

SOURCE: ImageRole = "source"
"""The image to whose size others are brought by `Transport.like_source`."""


@dataclass(frozen=True)
class Transport:
    """How an image is encoded for a model.

    Attributes:
        format: `file` sends the bytes of the file unchanged; the others encode the pixels again.
        quality: of JPEG, 1 to 95.
        longest_side: larger images are shrunk to this size, in pixels; None keeps their size.
        like_source: whether the image is first resized to the size of the source, ignoring its aspect ratio.
    """

    format: Literal["file", "png", "jpeg"]
    quality: int = 75
    longest_side: int | None = None
    like_source: bool = False


@dataclass(frozen=True)
class Say:
    """Text in a question."""

    text: str


@dataclass(frozen=True)
class Show:
    """An image in a question."""

    role: ImageRole
    transport: Transport


@dataclass(frozen=True)
class Question:
    """One request to a vision-language model.

    Attributes:
        name: unique among the questions about one subject.
        parts: texts and images in the order in which the model gets them, as one user turn.
        labels: names of the values that a reply contains.
        system: the system prompt; empty for none.
    """

    name: str
    parts: tuple[Say | Show, ...]
    labels: tuple[str, ...]
    system: str = ""

    def roles(self) -> tuple[ImageRole, ...]:
        """Returns the roles of its images, in order."""
        return tuple(part.role for part in self.parts if isinstance(part, Show))

    def depends_on(self) -> tuple[ImageRole, ...]:
        """Returns the roles of all images that affect the request, including one that only gives a size."""
        sized = any(isinstance(part, Show) and part.transport.like_source for part in self.parts)
        return (*self.roles(), SOURCE) if sized else self.roles()
