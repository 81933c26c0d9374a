"""Finds the type of a section or field of a profile by its path."""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

FieldPath = tuple[str | int, ...]
"""Names of fields from the outermost to the innermost, and positions in lists."""


def readable_path(model: type, path: FieldPath) -> FieldPath:
    """Returns the path without the tags that pydantic adds for members of a union, as in `value.float`."""
    readable: FieldPath = ()
    current: Any = model
    for part in path:
        inner = next(_inside(current, part), None)
        is_unknown_field = inner is None and any(
            _fields(one) or _is_mapping(one) for one in _members(current)
        )
        if inner is not None or is_unknown_field:
            readable = (*readable, part)
            current = inner
    return readable


def section_at(model: type, path: FieldPath) -> type | None:
    """Returns the type of the section at a path; None if there is no section with named fields."""
    current: Any = model
    for part in path:
        current = next(_inside(current, part), None)
    return next((one for one in _members(current) if _fields(one)), None)


def field_names(section: type | None) -> list[str]:
    """Returns the names of a section's fields, in order."""
    return list(_fields(section))


def field_description(section: type | None, name: str) -> str:
    """Returns the description of a field of a section; empty if it has none."""
    if not (isinstance(section, type) and issubclass(section, BaseModel)) or name not in section.model_fields:
        return ""
    return (section.model_fields[name].description or "").rstrip(".")


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    for member in _members(annotation):
        arguments = get_args(member)
        if part in _fields(member):
            yield _fields(member)[str(part)]
        elif _is_mapping(member) and len(arguments) == 2:
            yield arguments[1]
        elif get_origin(member) in (tuple, list) and isinstance(part, int):
            repeated = get_origin(member) is list or arguments[-1] is Ellipsis
            yield arguments[0 if repeated else min(part, len(arguments) - 1)]


def _members(annotation: Any) -> list[Any]:
    """Returns the members of a union; for any other type, a list of that type."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation]


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict


def _fields(annotation: Any) -> Mapping[str, Any]:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return {}
    return {name: field.annotation for name, field in annotation.model_fields.items()}
