"""Reads the YAML of a profile: the values, and the line of every field for error messages."""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from orchestration.profile_errors import ProfileError, dotted, line_of
from orchestration.profile_types import FieldPath

SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(SAFE_LOADER):
    """A safe loader that reads 1e-3 as a number, as YAML 1.2 does. YAML 1.1 takes it for text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)

MAX_DEPTH = 20
MAX_FIELDS = 100_000
LARGEST = 2**63 - 1

PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
"""Matches a password in a URL, as in https://name:password@host."""


SURPRISING_NUMBER = re.compile(r"[-+]?0[0-9_]+$|[-+]?0[xbo]|.*[_:]")
"""Matches octal, binary and hexadecimal numbers, underscores, and sixties such as 1:30."""


class ProfileText(NamedTuple):
    """The value of a YAML text, and the line of every field in it, counted from 1."""

    value: Any
    lines: Mapping[FieldPath, int]


def read_profile_text(text: str, file: str) -> ProfileText:
    """Returns the value of a YAML text and its lines; an empty text gives an empty mapping.

    Raises:
        ProfileError: the text is not YAML, defines a field twice, contains itself through an alias, or has
            an infinite number or a password.
    """
    root, value = _parse(text, file)
    lines: dict[FieldPath, int] = {(): 1}
    if root is not None:
        _collect(root, (), lines, file)
    for path, leaf in _leaves(value, ()):
        if problem := _problem(leaf):
            raise ProfileError(f"{file}:{line_of(path, lines)} {dotted(path)}: {problem}")
    return ProfileText(value if value is not None else {}, lines)


def _parse(text: str, file: str) -> tuple[yaml.Node | None, Any]:
    try:
        return yaml.compose(text, Loader=Loader), yaml.load(text, Loader=Loader)  # noqa: S506 (safe either way)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = f"{file}:{line} is not YAML: {error.problem}. Fix this line or the one above it."
        raise ProfileError(reason) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # for example a date that does not exist, or a character that YAML forbids
        reason = str(error).partition("\n")[0]
        raise ProfileError(f"{file}:1 is not YAML: {reason}. Fix the file.") from error


def _collect(node: yaml.Node, path: FieldPath, lines: dict[FieldPath, int], file: str) -> None:
    if len(path) > MAX_DEPTH or len(lines) > MAX_FIELDS:  # as with an alias of a section that contains it
        raise ProfileError(
            f"{file}:{node.start_mark.line + 1} is nested more than {MAX_DEPTH} levels deep or has more "
            f"than {MAX_FIELDS:,} fields. A profile is much smaller. Fix the aliases on this line."
        )
    if isinstance(node, yaml.MappingNode):
        _collect_mapping(node, path, lines, file)
    elif isinstance(node, yaml.ScalarNode):
        if problem := _surprise(node):
            raise ProfileError(f"{file}:{node.start_mark.line + 1} {dotted(path)}: {problem}")
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines.setdefault((*path, index), value.start_mark.line + 1)
            _collect(value, (*path, index), lines, file)


def _collect_mapping(node: yaml.MappingNode, path: FieldPath, lines: dict[FieldPath, int], file: str) -> None:
    own: dict[str, int] = {}
    merged = []
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            continue
        name = str(key.value)
        if key.tag != "tag:yaml.org,2002:str":
            raise ProfileError(
                f"{file}:{line} {dotted((*path, name))}: is not the name of a field. Write a name."
            )
        if name in own:
            where = f"{file}:{line} {dotted((*path, name))}"
            raise ProfileError(f"{where}: is defined twice, first on line {own[name]}. Remove one of them.")
        own[name] = line
        lines.setdefault((*path, name), line)
        _collect(value, (*path, name), lines, file)
    for alias in merged:
        _collect(alias, path, lines, file)


def _surprise(node: yaml.ScalarNode) -> str | None:
    """Returns what is wrong with a plain value that YAML 1.1 reads as something that nobody means."""
    kind, text = node.tag.rpartition(":")[2], node.value
    if node.style:  # quoted, or a block of text
        return None
    if kind == "bool" and text.lower() not in ("true", "false"):
        return f"{text} is read as a truth value by YAML 1.1. Write true or false, or put a word in quotes."
    if kind in ("int", "float") and SURPRISING_NUMBER.match(text):
        return f"{text} is read as another number by YAML 1.1. Write a decimal number, as in 220 or 0.5."
    if kind == "timestamp":
        return f"{text} is read as a date by YAML 1.1. Put it in quotes."
    return None


def _leaves(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _problem(leaf: Any) -> str | None:
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return f"{leaf} is not a finite number. Write a finite number."
    if isinstance(leaf, int) and abs(leaf) > LARGEST:
        return f"{leaf} is too large. Write a number that fits into 64 bits."
    if isinstance(leaf, str) and PASSWORD.search(leaf):
        return (
            "contains a password. Remove it: MLflow reads MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD from the environment."
        )
    if isinstance(leaf, str) and any(unicodedata.category(one) == "Cc" and one not in "\t\n" for one in leaf):
        return f"{leaf!r} holds a control character. Remove it."
    if leaf is not None and not isinstance(leaf, (bool, int, float, str)):
        return f"{leaf} is of a type that no field has. Write a number, text, or true or false."
    return None
