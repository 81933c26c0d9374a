"""Writes nested settings one field a line, and knows the line of each: an oracle that reads no YAML."""

import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


class Sheet:
    """Nested settings as YAML text, with the line of every field counted while it is written."""

    def __init__(self, settings: Any) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self._text: list[str] = []
        self._write(settings, (), "")
        self.text = "\n".join(self._text) + "\n"

    def line_of(self, path: Path) -> int:
        """The line of a field, or of the innermost field around it that is there."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def _write(self, value: Any, path: Path, indent: str) -> None:
        if isinstance(value, dict):
            items = [(f"{key}:", key, inner) for key, inner in value.items()]
        else:
            items = [("-", index, inner) for index, inner in enumerate(value)]
        for label, key, inner in items:
            nested = isinstance(inner, (dict, list)) and inner
            self._text.append(f"{indent}{label}" if nested else f"{indent}{label} {json.dumps(inner)}")
            self.lines[*path, key] = len(self._text)
            if nested and label == "-":  # a list item's fields begin on the next line, under their dash
                self.lines[*path, key] += 1
            if nested:
                self._write(inner, (*path, key), f"{indent}  ")


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yields the path of every value that holds no other."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for key, one in inner:
        found = True
        yield from leaves(one, (*path, key))
    if not found:
        yield path


def at(value: Any, path: Path) -> Any:
    """Returns what lies at a path."""
    for part in path:
        value = value[part]
    return value
