"""The reference of profile fields: current, complete, and read from the classes alone."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from models.common.fields import Identity, Operational, configuration_fields
from orchestration.profile import Profile
from orchestration.profile_reference import (
    DEMO,
    REFERENCE,
    dotted_name,
    profile_reference,
    type_in_words,
    values_at,
)

Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """One part."""

    size: Identity[int] = Field(gt=0, description="pixels; side of a part")
    weight: Identity[Share | None] = Field(default=None, description="share | weight")


class Tools(BaseModel):
    """What works.

    Not shown.
    """

    threads: Operational[int] = Field(ge=1, description="threads")
    kind: Literal["a", "b"]


class Small(BaseModel):
    tools: Tools
    parts: Identity[dict[str, Part]] = Field(min_length=1, description="parts by name")


def line(text: str, name: str) -> list[str]:
    (found,) = [one for one in text.splitlines() if one.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in found.strip("|").replace(r"\|", "¦").split("|")][1:]


@pytest.fixture(scope="module")
def small():
    values = {"tools": {"threads": 2, "kind": "b"}, "parts": {"x": {"size": 4}, "y": {"size": 5}}}
    return profile_reference(Small, values)


def test_the_reference_in_the_documentation_is_current():
    current = profile_reference(Profile, yaml.safe_load(DEMO.read_text(encoding="utf-8")))
    assert REFERENCE.read_text(encoding="utf-8") == current, "run: python -m orchestration.profile_reference"


def test_every_field_has_one_line_with_a_role_and_a_meaning():
    text = REFERENCE.read_text(encoding="utf-8")
    for path, _, _ in configuration_fields(Profile):
        _, _, role, _, meaning = line(text, dotted_name(path))
        assert role in ("identity", "operational"), path
        assert meaning, path


def test_a_line_says_type_value_role_bounds_and_meaning(small):
    assert line(small, "tools.threads") == ["integer", "`2`", "operational", "≥ 1", "threads"]
    assert line(small, "parts.*.size") == ["integer", "`4`, `5`", "identity", "> 0", "pixels; side of a part"]


def test_a_field_that_the_profile_leaves_out_shows_its_default(small):
    expected = ["number or null", "default: `null`", "identity", "≥ 0, ≤ 1", "share ¦ weight"]
    assert line(small, "parts.*.weight") == expected


def test_a_field_without_a_role_is_shown_as_undeclared(small):
    assert line(small, "tools.kind") == ["`a` or `b`", "`b`", "undeclared", "", ""]


def test_a_section_is_introduced_by_the_first_line_of_its_class(small):
    assert "## `tools`\n\nWhat works.\n\n| field" in small
    assert "Not shown" not in small


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (tuple[int, ...], "list of integer"),
        (tuple[float, str], "list of 2 (number, text)"),
        (dict[str, bool] | None, "mapping from text to true or false or null"),
        (Literal["a", 1, "c"], "`a`, `1` or `c`"),
        (Path, "path"),
        (list[Part], "list of section"),
    ],
)
def test_types_are_told_in_words(annotation, words):
    assert type_in_words(annotation) == words


def test_values_are_found_in_every_entry_of_lists_and_mappings():
    values = {"a": [{"b": {"x": 1, "y": 2}}, {"b": {}}, {}]}
    assert list(values_at(values, ("a", "[]", "b", "*"))) == [1, 2]
    assert list(values_at(values, ("missing", "b"))) == []
