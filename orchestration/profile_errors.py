"""Error messages for an invalid profile: what is wrong, where, and what to write instead."""

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

LONGEST_VALUE = 60
UNKNOWN_FIELD = "extra_forbidden"
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


class ProfileError(ValueError):
    """A profile is invalid. The message has one line for each error: file, line, field, problem and fix."""


def describe(error: ValidationError, lines: Mapping[FieldPath, int], file: str, model: type) -> str:
    """Returns one line for each error: `file:line field: what is wrong. What to write.`"""
    messages = (_line(detail, lines, file, model) for detail in error.errors(include_url=False))
    return "\n".join(dict.fromkeys(messages))


def dotted(path: FieldPath) -> str:
    """Returns a path as dotted text."""
    return ".".join(str(part) for part in path)


def line_of(path: FieldPath, lines: Mapping[FieldPath, int]) -> int:
    """Returns the line of a field, or of the innermost section around it that the file contains."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _line(detail: ErrorDetails, lines: Mapping[FieldPath, int], file: str, model: type) -> str:
    path = readable_path(model, tuple(detail["loc"]))
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        path, message = _split_leading_field(path, message, lines)
    text = " ".join(part for part in (_problem(detail, message), _fix(detail, path, model)) if part)
    return f"{file}:{line_of(path, lines)} {dotted(path) or 'profile'}: {text}"


def _split_leading_field(
    path: FieldPath, message: str, lines: Mapping[FieldPath, int]
) -> tuple[FieldPath, str]:
    """Returns the path of the field that a section's message starts with, and the rest of the message."""
    first, _, rest = message.partition(" ")
    field = (*path, *first.rstrip(":").split("."))
    return (field, rest) if field in lines else (path, message)


def _problem(detail: ErrorDetails, message: str) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return "is missing."
    if kind == UNKNOWN_FIELD:
        return "is not a field."
    sentence = f"{message.rstrip('.')}."
    if kind == "value_error" and not isinstance(given, (str, int, float)):
        return sentence  # about several fields of a section, which it names
    text = repr(given)
    text = text if len(text) < LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
    return f"{text} is not valid: {sentence}"


def _fix(detail: ErrorDetails, path: FieldPath, model: type) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    section = section_at(model, path[:-1]) if path else None
    description = field_description(section, str(path[-1])) if path else ""
    if kind == "missing":
        return f"Add it{f': {description}' if description else ''}."
    if kind == UNKNOWN_FIELD:
        known = field_names(section)
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        return f"Did you mean {near[0]}?" if near else f"The fields here are {', '.join(known)}."
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        return f"Write a number {words} {context[key]}."
    if kind == "literal_error":
        return f"Write {context['expected']}."
    return f"Expected: {description}." if description else ""
