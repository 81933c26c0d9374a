"""An operational field makes no step due; an identity field makes the steps due that read it."""

import shutil
from pathlib import Path

import pytest
from field_changes import DEMO, FIELDS, NOT_CHANGED_ALONE, with_change

from assets.lake.materialize import step_of
from models.common.fields import Role
from orchestration.definitions import build_definitions
from orchestration.profile import Profile, with_images
from orchestration.resources import build_resources

HOME = Path("/nonexistent/home")


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


def test_shares_are_read_by_the_mixtures_alone_and_the_side_by_its_stage_too(assets):
    profile = with_change(DEMO, ("mixtures", "stages", "nft", "captions", "original"))
    before, after = steps(assets, DEMO), steps(assets, profile)
    due = {name for name in before if before[name] != after[name]}
    assert due == {"training_cache"}
    profile = with_change(DEMO, ("mixtures", "stages", "nft", "side"))
    after = steps(assets, profile)
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
