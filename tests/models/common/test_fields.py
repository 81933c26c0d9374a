from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_serializer

from models.common.fields import Identity, Operational, Role, configuration_fields, identity_of, role_of

Share = Annotated[float, Field(ge=0, le=1)]


class Inner(BaseModel, frozen=True):
    size: Identity[int] = Field(ge=1, description="pixels")
    workers: Operational[int] = Field(default=1, le=8)


class Outer(BaseModel, frozen=True):
    seed: Identity[int] = 0
    share: Identity[Share] = Field(default=0.5, description="share, 0 to 1")
    folder: Operational[Path | None] = None
    section: Inner = Inner(size=1)
    optional: Identity[Inner | None] = None
    by_name: Identity[dict[str, Inner]] = {}
    listed: Identity[tuple[Inner, ...]] = ()
    reported: Operational[Inner | None] = None


class Forgetful(BaseModel, frozen=True):
    undeclared: int = 0
    optional: Inner | None = None


def fields_of(model: type[BaseModel]) -> dict[str, Role | None]:
    return {".".join(path): role for path, _, role in configuration_fields(model)}


def test_a_role_keeps_the_constraints_and_the_description():
    share = Outer.model_fields["share"]
    assert (role_of(share), share.description) == (Role.IDENTITY, "share, 0 to 1")
    assert role_of(Inner.model_fields["workers"]) is Role.OPERATIONAL
    for wrong in ({"share": 1.5}, {"section": {"size": 0}}, {"section": {"size": 1, "workers": 9}}):
        with pytest.raises(ValidationError):
            Outer.model_validate(wrong)


def test_a_field_without_a_role_is_listed_with_none():
    assert role_of(Forgetful.model_fields["undeclared"]) is None
    assert fields_of(Forgetful) == {
        "undeclared": None,
        "optional": None,
        "optional.size": Role.IDENTITY,
        "optional.workers": Role.OPERATIONAL,
    }


def test_every_field_is_listed_once_with_its_role():
    identity, operational = Role.IDENTITY, Role.OPERATIONAL
    sections = ("section", "optional", "by_name.*", "listed.[]", "reported")
    inner = {f"{section}.size": identity for section in sections}
    inner |= {f"{section}.workers": operational for section in sections}
    own = dict.fromkeys(("seed", "share", "optional", "by_name", "listed"), identity)
    own |= dict.fromkeys(("folder", "reported"), operational)
    assert fields_of(Outer) == own | inner
    assert len(list(configuration_fields(Outer))) == len(own | inner)


@pytest.mark.parametrize(
    "changes",
    [
        {"folder": "/elsewhere"},
        {"section": {"size": 1, "workers": 8}},
        {"optional": {"size": 2, "workers": 8}},
        {"by_name": {"a": {"size": 3, "workers": 8}}},
        {"listed": [{"size": 4, "workers": 8}]},
        {"reported": {"size": 5}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_identity_has_no_operational_field_at_any_depth(changes):
    plain = {
        "section": {"size": 1},
        "optional": {"size": 2},
        "by_name": {"a": {"size": 3}},
        "listed": [{"size": 4}],
    }
    identity = plain | {"seed": 0, "share": 0.5, "by_name": [["a", {"size": 3}]]}
    assert identity_of(Outer.model_validate(plain | changes)) == identity


def test_the_order_of_a_mapping_is_part_of_identity():
    both = {"a": {"size": 3}, "b": {"size": 4}}
    turned = dict(reversed(both.items()))
    base = {"section": {"size": 1}, "optional": {"size": 2}, "listed": [{"size": 4}]}
    first, second = (Outer.model_validate({**base, "by_name": named}) for named in (both, turned))
    assert identity_of(first) != identity_of(second)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"section": {"size": 2}},
        {"optional": {"size": 1}},
        {"by_name": {"a": {"size": 1}}},
        {"listed": [{"size": 1}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_identity_changes_with_an_identity_field_and_with_the_existence_of_a_section(changes):
    assert identity_of(Outer.model_validate(changes)) != identity_of(Outer())


def test_an_undeclared_field_counts_as_identity():
    assert identity_of(Forgetful(undeclared=3)) == {"undeclared": 3, "optional": None}


def test_identity_uses_the_json_form_of_a_field():
    class Digested(BaseModel, frozen=True):
        file: Identity[Path] = Path("a")

        @field_serializer("file", when_used="json")
        def _content(self, file: Path) -> str:
            return f"digest of {file}"

    class Around(BaseModel, frozen=True):
        digested: Digested = Digested()

    assert identity_of(Around()) == {"digested": {"file": "digest of a"}}


def test_a_subclass_in_the_place_of_its_section_keeps_its_own_fields():
    class Listed(Inner, frozen=True):
        listing: Identity[str] = "x"

    section = Outer(optional=Listed(size=1))
    assert identity_of(section)["optional"] == {"size": 1, "listing": "x"}
