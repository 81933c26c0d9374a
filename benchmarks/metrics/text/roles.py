"""The roles of quoted texts in an instruction, and what tells them: verbs and the grammar of a language."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class QuoteRole(StrEnum):
    """What a quoted text is to the edit: old, new, restyled, or a landmark beside it."""

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


class Grammar(NamedTuple):
    """How one language says what is done to a quoted text.

    Attributes:
        last_verb: returns the verb nearest to the end of a text; None if there is none.
        role: takes the words before a quoted text, the words after it, the verb that rules it and the roles
            of the quoted texts before it; returns its role.
        cased: matches words that ask for capital or small letters.
    """

    last_verb: Callable[[str], Verb | None]
    role: Callable[[str, str, Verb | None, list[QuoteRole]], QuoteRole]
    cased: re.Pattern[str]
