"""What is wrong with a profile, where, and what to write instead."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]


class ProfileError(ValueError):
    """A profile that cannot run; the message names file, line, field and mend of each fault."""


def line_numbers(text: str) -> dict[Path, int]:
    """Returns the line of every field of a YAML text, counted from 1, by its path."""
    lines: dict[Path, int] = {(): 1}
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        _collect(root, (), lines)
    return lines


def describe(error: ValidationError, text: str, file: str, model: type[BaseModel]) -> str:
    """Returns one line for each fault: `file:line field: what is wrong. What to write.`"""
    lines = line_numbers(text)
    return "\n".join(_described(fault, lines, file, model) for fault in error.errors(include_url=False))


def _described(fault: ErrorDetails, lines: Mapping[Path, int], file: str, model: type[BaseModel]) -> str:
    path = tuple(fault["loc"])
    known = _longest_known(path, lines)
    field = ".".join(str(part) for part in _without_tags(path, lines))
    return f"{file}:{lines[known]} {field or 'profile'}: {_complaint(fault)} {_mend(fault, model)}".rstrip()


def _complaint(fault: ErrorDetails) -> str:
    kind = fault["type"]
    if kind == "missing":
        return "is not there."
    if kind == "extra_forbidden":
        return "is not a field."
    shown = repr(fault["input"])
    message = fault["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{shown if len(shown) < 60 else shown[:57] + '...'} is wrong: {message}."


def _mend(fault: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    path = tuple(fault["loc"])
    if kind == "missing":
        description = _description(model, path)
        return f"Add it{f': {description}' if description else ''}."
    if kind == "extra_forbidden":
        known = _fields(model, path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
    bounds = {"greater_than": ("gt", "above"), "greater_than_equal": ("ge", "of at least")}
    bounds |= {"less_than": ("lt", "below"), "less_than_equal": ("le", "of at most")}
    if kind in bounds:
        key, words = bounds[kind]
        return f"Write a number {words} {context[key]}."
    if kind == "literal_error":
        return f"Write {context['expected']}."
    description = _description(model, path)
    return f"Expected: {description}." if description else ""


def _collect(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*path, str(key.value))
            lines[child] = key.start_mark.line + 1
            _collect(value, child, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _collect(value, (*path, index), lines)


def _longest_known(path: Path, lines: Mapping[Path, int]) -> Path:
    readable = _without_tags(path, lines)
    while readable not in lines:
        readable = readable[:-1]
    return readable


def _without_tags(path: Path, lines: Mapping[Path, int]) -> Path:
    """Returns the path without the tags that pydantic adds for the members of a union."""
    kept: Path = ()
    for position, part in enumerate(path):
        is_last = position == len(path) - 1
        if (*kept, part) in lines or is_last or not _is_tag(path[position + 1 :], kept, lines):
            kept = (*kept, part)
    return kept


def _is_tag(rest: Sequence[str | int], kept: Path, lines: Mapping[Path, int]) -> bool:
    return bool(rest) and ((*kept, rest[0]) in lines or len(rest) == 1)


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    current: Any = model
    for part in path:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = _inner_model(fields[part].annotation)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type):
        return annotation
    inner = [_inner_model(argument) for argument in getattr(annotation, "__args__", ())]
    models = [found for found in inner if isinstance(found, type) and issubclass(found, BaseModel)]
    return models[0] if models else None


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    found = _model_at(model, path)
    return list(found.model_fields) if found is not None else []


def _description(model: type[BaseModel], path: Path) -> str:
    found = _model_at(model, path[:-1])
    field = found.model_fields.get(str(path[-1])) if found is not None and path else None
    return (field.description or "").rstrip(".") if field is not None else ""
