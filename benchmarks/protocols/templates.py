"""Prompts that a user took from a benchmark's Python files: texts with `{instruct}` and the like in them."""

import re
from collections.abc import Mapping

from benchmarks.suites.item import SuiteError

FIELD = re.compile(r"\{\{|\}\}|\{(?P<name>\w+)\}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Returns the template as Python's `str.format` fills it, of which only plain names are allowed.

    Raises:
        SuiteError: the template asks for something that the item does not have.
    """

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match.group()[0]
        if name not in values:
            raise SuiteError(f"A prompt asks for {{{name}}}; an item has {', '.join(values)}.")
        return values[name]

    return FIELD.sub(value, template)
