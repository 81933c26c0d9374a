"""An operational field makes no step due; an identity field makes the steps due that read it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from assets.lake.materialize import step_of
from models.common.fields import Role, configuration_fields
from orchestration.definitions import build_definitions
from orchestration.profile import Profile, load_profile, with_images
from orchestration.resources import build_resources

DEMO = load_profile("demo")
HOME = Path("/nonexistent/home")
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


@pytest.fixture(scope="module")
def assets():
    definitions = build_definitions(DEMO, HOME)
    graph = definitions.resolve_asset_graph()
    return {key: definitions.resolve_assets_def(key) for key in graph.get_all_asset_keys()}


def steps(assets, profile: Profile) -> dict[str, tuple]:
    resources = build_resources(profile, HOME, None)
    made = {key.path[-1]: step_of(asset, key, resources) for key, asset in assets.items()}
    return {name: (step.version, dict(step.inputs), dict(step.config)) for name, step in made.items()}


@pytest.mark.parametrize("field", [name for name, role in FIELDS.items() if role is Role.OPERATIONAL])
def test_an_operational_field_makes_no_step_due(assets, field):
    if field in NOT_CHANGED_ALONE:
        pytest.skip(NOT_CHANGED_ALONE[field])
    profile = with_change(DEMO, tuple(field.split(".")))
    assert profile != DEMO
    assert steps(assets, profile) == steps(assets, DEMO)


@pytest.mark.parametrize("field", [name for name, role in FIELDS.items() if role is Role.IDENTITY])
def test_an_identity_field_makes_a_step_due(assets, field):
    if field in NOT_CHANGED_ALONE:
        pytest.skip(NOT_CHANGED_ALONE[field])
    if field.startswith("mixtures.stages.*"):
        field = field.replace("*", "ct")
    profile = with_change(DEMO, tuple(field.split(".")))
    before, after = steps(assets, DEMO), steps(assets, profile)
    due = {name for name in before if before[name] != after[name]}
    assert due
    assert due != set(before), "one field is read by every step"


def test_the_mixture_of_one_stage_is_read_by_the_mixtures_and_that_stage_alone(assets):
    profile = with_change(DEMO, ("mixtures", "stages", "nft", "captions", "original"))
    before, after = steps(assets, DEMO), steps(assets, profile)
    due = {name for name in before if before[name] != after[name]}
    assert due == {"training_cache", "nft", "bench_report"}


def test_the_content_of_an_image_folder_decides_and_its_place_does_not(assets, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    shutil.copytree(folder, tmp_path / "moved")
    before = steps(assets, with_images(DEMO, folder))
    assert steps(assets, with_images(DEMO, tmp_path / "moved")) == before
    (folder / "b.jpg").write_bytes(b"b")
    assert steps(assets, with_images(DEMO, folder)) != before
