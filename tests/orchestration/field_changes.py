"""Another valid value for any field of a profile."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from models.common.fields import configuration_fields
from orchestration.profile import Profile, load_profile

DEMO = load_profile("demo")
FIELDS = {".".join(path): role for path, _, role in configuration_fields(Profile)}

NOT_CHANGED_ALONE = {
    "demo": "whether there is a demo corpus is what its asset makes of it",
    "demo.images": "the listing of the folder decides; see below",
    "mixtures.stages": "a profile without one of the stages is invalid",
}
"""Fields without a like value that a valid profile could have, with the reason."""


def changed(value: Any) -> Any:
    """Returns another value of a like kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return f"{value}-changed"
    if isinstance(value, Path):
        return value / "changed"
    if isinstance(value, tuple):
        return value[:-1] or ("changed",)
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    return None


def with_change(section: Any, path: tuple[str, ...]) -> Any:
    """Returns a copy of a section in which one field has another value; the first of a list or mapping."""
    head, *rest = path
    if section is None:
        pytest.skip("the demo's profile has no such section")
    if isinstance(section, dict):
        key = next(iter(section)) if head == "*" else head
        return {**section, key: with_change(section[key], tuple(rest))}
    if isinstance(section, tuple):
        return (with_change(section[0], tuple(rest)), *section[1:])
    assert isinstance(section, BaseModel)
    value = getattr(section, head)
    if rest:
        return section.model_copy(update={head: with_change(value, tuple(rest))})
    other = {"demand": Path("changed.json"), "text_encoder": Path("changed")}.get(head, "http://127.0.0.1:1")
    return section.model_copy(update={head: other if value is None else changed(value)})
