"""Error messages for an invalid profile: what is wrong, where, and what to write instead."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from models.common.checks import did_you_mean, nearest
from orchestration.profile_types import (
    FieldPath,
    field_description,
    field_names,
    readable_path,
    section_at,
)

LONGEST_VALUE = 60
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
UNKNOWN_FIELD = "extra_forbidden"
MOST_MISSING = 5
"""Missing fields of one section that are told one by one; more are told in one line."""

NOUNS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
    "model_type": "a section, which is lines of the form name: value",
    "dict_type": "a section, which is lines of the form name: value",
}
"""What a value should be, by the type of pydantic's error."""
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
    "multiple_of": ("multiple_of", "that is a multiple of"),
}


class ProfileError(ValueError):
    """A profile is invalid. The message has one line for each error: file, line, field, problem and fix."""


def describe(error: ValidationError, lines: Mapping[FieldPath, int], file: str, model: type) -> str:
    """Returns one line for each error: `file:line field: what is wrong. What to write.`"""
    faults = [
        (readable_path(model, tuple(detail["loc"])), detail) for detail in error.errors(include_url=False)
    ]
    messages = []
    for path, own in groupby(_without_echoes(faults, model), key=lambda fault: fault[0][:-1]):
        of_section = list(own)
        missing = [path[-1] for path, detail in of_section if detail["type"] == "missing"]
        if len(missing) > MOST_MISSING:
            names = ", ".join(str(name) for name in missing)
            messages.append(
                f"{file}:{line_of(path, lines)} {dotted(path) or 'profile'}: lacks {names}. Add them; "
                "`profiles/demo.yaml` has all fields."
            )
            of_section = [fault for fault in of_section if fault[1]["type"] != "missing"]
        messages += [_line(path, detail, lines, file, model) for path, detail in of_section]
    return "\n".join(dict.fromkeys(messages))


def dotted(path: FieldPath) -> str:
    """Returns a path as dotted text."""
    return ".".join(str(part) for part in path)


def line_of(path: FieldPath, lines: Mapping[FieldPath, int]) -> int:
    """Returns the line of a field, or of the innermost section around it that the file contains."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _without_echoes(
    faults: Sequence[tuple[FieldPath, ErrorDetails]], model: type
) -> list[tuple[FieldPath, ErrorDetails]]:
    """Returns the faults without those that others explain.

    A field that may have several types has an error for each; one is told. A section whose field is wrong
    has no error of its own. A field that is missing because its name is misspelt is told with the wrong name.
    """
    unknown = (path for path, detail in faults if detail["type"] == UNKNOWN_FIELD)
    meant = {
        (*path[:-1], nearest(str(path[-1]), field_names(section_at(model, path[:-1])))) for path in unknown
    }
    around = {path[:length] for path, _ in faults for length in range(len(path))}
    kept: dict[FieldPath, ErrorDetails] = {}
    for path, detail in faults:
        if path in around or (detail["type"] == "missing" and path in meant):
            continue
        kept[path] = {**detail, "type": "several_types"} if path in kept else detail
    return list(kept.items())


def _line(
    path: FieldPath, detail: ErrorDetails, lines: Mapping[FieldPath, int], file: str, model: type
) -> str:
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
    parts = first.rstrip(":").split(".")
    field = (*path, *(int(part) if part.isdigit() else part for part in parts))
    return (field, rest) if field in lines else (path, message)


def _problem(detail: ErrorDetails, message: str) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return "is missing."
    if kind == UNKNOWN_FIELD:
        return "is not a field."
    sentence = f"{message.rstrip('.')}." if not message.endswith("?") else message
    if kind == "value_error" and not isinstance(given, (str, int, float)):
        return sentence  # about several fields of a section, which it names
    text = json.dumps(given) if given is None or isinstance(given, bool) else repr(given)
    text = text if len(text) < LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
    if kind in NOUNS:
        return f"{text} is not {NOUNS[kind]}."
    if kind == "too_short":
        return "has too few values."
    if kind == "too_long":
        return "has too many values."
    return f"{text} is not valid: {sentence}" if kind == "value_error" else f"{text} is not possible here."


def _fix(detail: ErrorDetails, path: FieldPath, model: type) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    section = section_at(model, path[:-1]) if path else None
    description = field_description(section, str(path[-1])) if path else ""
    if kind == "missing":
        return f"Add it{f': {description}' if description else ''}."
    if kind == UNKNOWN_FIELD:
        return did_you_mean(str(path[-1]), field_names(section))
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        return f"Write a number {words} {context[key]}."
    if kind in ("int_type", "float_type") and (number := _number(detail["input"])) is not None:
        return f"Write {number}."
    if kind == "literal_error":
        return f"Write {context['expected']}."
    if kind == "string_pattern_mismatch":
        return f"It has to match {context['pattern']}{f': {description}' if description else ''}."
    if kind == "value_error":
        return ""  # the message of the check says what to write
    return f"Expected: {description}." if description else ""


def _number(given: Any) -> str | None:
    """Returns the number that a quoted number, or a whole number with a point, stands for."""
    if isinstance(given, str) and NUMBER.fullmatch(given.strip()):
        return given.strip()
    return str(int(given)) if isinstance(given, float) and given.is_integer() else None
