"""Writes `docs/profile.md`, the reference of all profile fields, from the classes that define them.

python -m orchestration.profile_reference
"""

import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from models.common.fields import ITEM, KEY, FieldPath, configuration_fields
from orchestration.profile import PROFILES, Profile

REFERENCE = Path(__file__).parents[1] / "docs" / "profile.md"
DEMO = PROFILES / "demo.yaml"

LONGEST_VALUE = 60
"""Characters. A longer value of the demo is replaced by its number of entries."""

HEAD = """\
# Profile reference

<!-- Written by `python -m orchestration.profile_reference` from the classes. Change those, not this file. -->

A profile is one YAML file, chosen with `--profile`: its path, or the name of one in `profiles/`. Every field
is checked before anything runs, and an unknown field is an error. A field is required unless its cell in the
column `demo` says `default`. The column holds the value in `profiles/demo.yaml`.

An **identity** field decides the result: a change makes the steps that read it due again. An **operational**
field says where, how fast or how often: a change reruns nothing and touches no checkpoint. The limits under
`probe` are operational too: only what a limit stopped is tried again when it rises.

In a field's name, `*` stands for any key of a mapping and `[]` for any position in a list.
"""

HEADER = ("field", "type", "demo", "role", "bounds", "meaning")

WORDS: Mapping[Any, str] = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
    type(None): "null",
}


class Row(NamedTuple):
    """One field of the reference, in the order of the columns."""

    name: str
    type: str
    value: str
    role: str
    bounds: str
    meaning: str


def profile_reference(model: type[BaseModel], values: Any) -> str:
    """Returns the reference as Markdown: one table for each section.

    Args:
        model: the class of a whole profile.
        values: the content of the profile whose values are shown, as YAML gives it.
    """
    tables: dict[FieldPath, list[Row]] = {}
    for path, field, role in configuration_fields(model):
        bounds = ", ".join(dict.fromkeys(_bounds((field.annotation, *field.metadata))))
        tables.setdefault(_heading(model, path), []).append(
            Row(
                f"`{dotted_name(path)}`",
                type_in_words(field.annotation),
                _shown(list(values_at(values, path)), field),
                role.value if role else "undeclared",
                bounds,
                field.description or "",
            )
        )
    return HEAD + "".join(_section(model, path, rows) for path, rows in tables.items())


def dotted_name(path: FieldPath) -> str:
    """Returns a path as text, such as `corpora.corpora[].name`."""
    return ".".join(path).replace(f".{ITEM}", ITEM)


def type_in_words(annotation: Any) -> str:
    """Returns a type in plain words, such as `list of integer or null`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_in_words(arguments[0])
    if origin is Literal:
        return _either([f"`{value}`" for value in arguments])
    if origin in (Union, types.UnionType):
        return _either([type_in_words(argument) for argument in arguments])
    if origin is dict:
        return f"mapping from {type_in_words(arguments[0])} to {type_in_words(arguments[1])}"
    if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
        return f"list of {type_in_words(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)} ({', '.join(type_in_words(argument) for argument in arguments)})"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def values_at(value: Any, path: FieldPath) -> Iterator[Any]:
    """Yields the values at a path: one, or one for each entry where the path has `*` or `[]`."""
    if not path:
        yield value
        return
    if isinstance(value, Mapping):
        inner = value.values() if path[0] == KEY else [value[path[0]]] if path[0] in value else []
    else:
        inner = value if path[0] == ITEM and isinstance(value, list) else []
    for one in inner:
        yield from values_at(one, path[1:])


def main() -> None:
    """Writes `docs/profile.md`."""
    values = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    REFERENCE.write_text(profile_reference(Profile, values), encoding="utf-8")


def _heading(model: type[BaseModel], path: FieldPath) -> FieldPath:
    """Returns the section whose table a field belongs to: the outermost one that has fields of its own."""
    for depth, part in enumerate(path[:-1]):
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return path[:1] if depth == 0 else path[:depth]
        model = annotation
        if any(len(inner) == 1 for inner, _, _ in configuration_fields(model)):
            return path[: depth + 1]
    return path[:-1]


def _section(model: type[BaseModel], path: FieldPath, rows: Iterable[Row]) -> str:
    title, text = "Top level", ""
    section: Any = model
    for part in path:
        section = section.model_fields[part].annotation
    if path:
        title = f"`{dotted_name(path)}`"
        section = next((one for one in (section, *get_args(section)) if isinstance(one, type)), None)
        text = f"\n{(section.__doc__ or '').strip().splitlines()[0]}\n" if section else ""
    lines = [_line(HEADER), _line("---" for _ in HEADER), *(_line(row) for row in rows)]
    return f"\n## {title}\n{text}\n" + "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _shown(values: list[Any], field: FieldInfo) -> str:
    distinct = list(dict.fromkeys(map(_as_text, values)))
    if not distinct:
        return "" if field.is_required() else f"default: {_as_text(field.get_default())}"
    if len(distinct) == 1:
        return distinct[0]
    text = ", ".join(distinct)
    return text if len(text) <= LONGEST_VALUE else f"{len(distinct)} values"


def _as_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > LONGEST_VALUE and isinstance(value, Mapping | list) and len(value) > 1:
        return f"{len(value)} entries"
    return f"`{value}`" if isinstance(value, str) else f"`{text}`"


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _bounds(parts: Iterable[Any]) -> Iterator[str]:
    """Yields the bounds that types and their metadata declare, in words."""
    for part in parts:
        if isinstance(part, FieldInfo):
            yield from _bounds(part.metadata)
        elif get_args(part) and get_origin(part) is not Literal:
            yield from _bounds(get_args(part))
        else:
            yield from _bound(part)


def _bound(part: Any) -> Iterator[str]:
    signs = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
    for kind, (sign, name) in signs.items():
        if isinstance(part, kind):
            yield f"{sign} {getattr(part, name)}"
    if isinstance(part, MinLen):
        yield f"length ≥ {part.min_length}"
    if isinstance(part, MaxLen):
        yield f"length ≤ {part.max_length}"
    pattern = getattr(part, "pattern", None)
    if isinstance(pattern, str):
        yield f"matches `{pattern}`"


if __name__ == "__main__":
    main()
