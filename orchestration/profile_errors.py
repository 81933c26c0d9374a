"""What is wrong with a profile, where, and what to write instead."""

import difflib
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestration.profile_types import (
    FieldPath,
    field_description,
    field_names,
    readable_path,
    section_at,
)

LONGEST_SHOWN = 60
UNKNOWN_FIELD = ("extra_forbidden", "unexpected_keyword_argument")
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


class ProfileError(ValueError):
    """A profile that cannot run; the message names file, line, field and mend of each fault."""


def describe(error: ValidationError, lines: Mapping[FieldPath, int], file: str, model: type) -> str:
    """Returns one line for each fault: `file:line field: what is wrong. What to write.`"""
    faults = (_described(fault, lines, file, model) for fault in error.errors(include_url=False))
    return "\n".join(dict.fromkeys(faults))


def dotted(path: FieldPath) -> str:
    """Returns a path as people write it."""
    return ".".join(str(part) for part in path)


def line_of(path: FieldPath, lines: Mapping[FieldPath, int]) -> int:
    """Returns the line of a field, or of the innermost section around it that is there."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _described(fault: ErrorDetails, lines: Mapping[FieldPath, int], file: str, model: type) -> str:
    path = readable_path(model, tuple(fault["loc"]))
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        path, message = _named_first(path, message, lines)
    said = " ".join(part for part in (_complaint(fault, message), _mend(fault, path, model)) if part)
    return f"{file}:{line_of(path, lines)} {dotted(path) or 'profile'}: {said}"


def _named_first(path: FieldPath, message: str, lines: Mapping[FieldPath, int]) -> tuple[FieldPath, str]:
    """Returns the field that a message about a whole section begins with, and the rest of the message."""
    first, _, rest = message.partition(" ")
    named = (*path, *first.rstrip(":").split("."))
    return (named, rest) if named in lines else (path, message)


def _complaint(fault: ErrorDetails, message: str) -> str:
    kind, given = fault["type"], fault["input"]
    if kind == "missing":
        return "is not there."
    if kind in UNKNOWN_FIELD:
        return "is not a field."
    sentence = f"{message.rstrip('.')}."
    if kind == "value_error" and not isinstance(given, (str, int, float)):
        return sentence  # about how the parts of a section fit, and says which
    shown = repr(given)
    shown = shown if len(shown) < LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}..."
    return f"{shown} is wrong: {sentence}"


def _mend(fault: ErrorDetails, path: FieldPath, model: type) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    section = section_at(model, path[:-1]) if path else None
    description = field_description(section, str(path[-1])) if path else ""
    if kind == "missing":
        return f"Add it{f': {description}' if description else ''}."
    if kind in UNKNOWN_FIELD:
        known = field_names(section)
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        return f"Write a number {words} {context[key]}."
    if kind == "literal_error":
        return f"Write {context['expected']}."
    return f"Expected: {description}." if description else ""
