"""Declares of each config field whether it decides a result, or only where and how fast it is computed."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Value = TypeVar("Value")
FieldPath = tuple[str, ...]

KEY, ITEM = "*", "[]"
"""Stand in a path for the key of a mapping and for the position in a list."""


class Role(Enum):
    """What a change of a field means for finished work."""

    IDENTITY = "identity"
    OPERATIONAL = "operational"


Identity = Annotated[Value, Role.IDENTITY]
"""A field that decides the result. It is part of fingerprints: a change makes the steps that read it due."""

Operational = Annotated[Value, Role.OPERATIONAL]
"""A field that says where, how fast or how often. A change reruns nothing and touches no checkpoint."""


class _Limit:
    """Marks an operational number that may stop an item of work."""


Limit = Annotated[Value, Role.OPERATIONAL, _Limit()]
"""An operational limit. What it stopped is tried again when it rises. Lowering it changes nothing stored."""


def limits_of(section: BaseModel, path: FieldPath = ()) -> dict[str, float]:
    """Returns the values of a section's limits by dotted name, those of the sections inside it included."""
    limits: dict[str, float] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            limits |= limits_of(value, (*path, name))
        elif any(isinstance(mark, _Limit) for mark in field.metadata):
            limits[".".join((*path, name))] = value
    return limits


def role_of(field: FieldInfo) -> Role | None:
    """Returns the declared role of a field, or None if it declares none."""
    return next((mark for mark in field.metadata if isinstance(mark, Role)), None)


def identity_of(section: BaseModel) -> dict[str, Any]:
    """Returns the identity fields of a section as JSON values, without the operational fields at any depth.

    A field without a role counts as identity: a forgotten declaration reruns too much, never too little.
    """
    dumped = section.model_dump(mode="json")
    return {
        name: _identity_value(getattr(section, name), dumped[name])
        for name, field in type(section).model_fields.items()
        if role_of(field) is not Role.OPERATIONAL
    }


def configuration_fields(
    model: type[BaseModel], path: FieldPath = ()
) -> Iterator[tuple[FieldPath, FieldInfo, Role | None]]:
    """Yields path, field and role of every field of a model and of the sections inside it, in order.

    A field whose type is a section stands for that section's fields and is left out. An optional section, a
    mapping or a list of sections is a field too, because it decides which sections exist; the fields of its
    sections follow. In a path, `*` stands for any key and `[]` for any position.
    """
    for name, field in model.model_fields.items():
        own = (*path, name)
        if not _is_section(field.annotation):
            yield own, field, role_of(field)
        for inner, section in _sections(field.annotation):
            yield from configuration_fields(section, (*own, *inner))


def _identity_value(value: Any, dumped: Any) -> Any:
    if isinstance(value, BaseModel):
        return identity_of(value)
    if isinstance(value, Mapping) and isinstance(dumped, dict):
        # Pairs, because the order may decide: the first rule that an image fails names its verdict.
        return [[str(key), _identity_value(inner, dumped[str(key)])] for key, inner in value.items()]
    if isinstance(value, (list, tuple)) and isinstance(dumped, list):
        return [_identity_value(inner, one) for inner, one in zip(value, dumped, strict=True)]
    return dumped


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _sections(annotation: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, type[BaseModel]]]:
    """Yields the sections inside a type, with the path from the field that has the type."""
    if _is_section(annotation):
        yield path, annotation
        return
    step = {dict: (KEY,), list: (ITEM,), tuple: (ITEM,)}.get(get_origin(annotation), ())
    for argument in get_args(annotation):
        yield from _sections(argument, (*path, *step))
