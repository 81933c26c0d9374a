"""What a quoted text of an instruction is to the edit: old, new, restyled, or a landmark beside it."""

from enum import StrEnum


class Role(StrEnum):
    """Of one quoted text."""

    OLD = "old"
    NEW = "new"
    STYLED = "styled"
    KEPT = "kept"
    NONE = "none"
    """A value such as a colour code, which is written nowhere."""


class Verb(StrEnum):
    """What an instruction asks for; the last verb before a text rules it."""

    REPLACE = "replace"
    ADD = "add"
    DELETE = "delete"
    STYLE = "style"
    KEEP = "keep"
