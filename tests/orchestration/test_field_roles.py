from collections.abc import Iterator

import pytest
from pydantic import BaseModel, Field

from assets.corpora.config import ListedDemoCorpusConfig
from models.common.fields import Identity, Operational, Role, configuration_fields, identity_of
from orchestration.profile import Profile, load_profile
from trainers.config import StageRun

MODELS = (Profile, ListedDemoCorpusConfig, StageRun)
"""Every class of config; `Profile` holds all sections and all stages."""

STAGES = ("pretrain", "ct", "sft", "dpo", "nft")
OPERATIONAL = {
    "name",
    "description",
    "engine.kind",
    "engine.workers",
    "backends.text_encoder",
    "demo.images",
    "demo.probe.seconds",
    "demo.probe.memory_mib",
    "demo.probe.file_mib",
    "corpora.files_per_batch",
    "corpora.probe.seconds",
    "corpora.probe.memory_mib",
    "corpora.probe.file_mib",
    "descriptor.checkpoint_every",
    "corpora.shard_mib",
    "descriptor.threads",
    "longtail.qdrant_url",
    "longtail.collection",
    "evaluator_training.checkpoint_every",
    "evaluator_training.threads",
    "encode.texts_per_shard",
    "encode.latents_per_shard",
    "training.trainer.ranks",
    "training.dpo.pairs.batch_size",
    "bench.batch",
    "bench.shown_per_kind",
    "tracking.uri",
    "tracking.experiment",
    "tracking.model",
}
OPERATIONAL_IN_A_STAGE = {
    "zero_stage",
    "checkpoint_every",
    "keep_checkpoints",
    "validate_every",
    "validation_samples",
    "validation_edits",
}


class Forgetful(BaseModel):
    steps: Identity[int] = Field(description="optimizer steps")
    workers: int = Field(description="worker processes")
    ranks: Operational[int] = 1


def undeclared(model: type[BaseModel]) -> list[str]:
    return [".".join(path) for path, _, role in configuration_fields(model) if role is None]


def undescribed(model: type[BaseModel]) -> Iterator[str]:
    return (".".join(path) for path, field, _ in configuration_fields(model) if not field.description)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_declares_a_role_and_describes_itself(model):
    assert undeclared(model) == []
    assert list(undescribed(model)) == []


def test_a_field_without_a_role_or_a_description_is_noticed():
    assert undeclared(Forgetful) == ["workers"]
    assert list(undescribed(Forgetful)) == ["ranks"]


def test_operational_are_the_fields_that_decide_no_result():
    """A field that moves between the roles changes what reruns, so the list is written out."""
    in_stages = {f"training.{stage}.{name}" for stage in STAGES for name in OPERATIONAL_IN_A_STAGE}
    found = {".".join(path) for path, _, role in configuration_fields(Profile) if role is Role.OPERATIONAL}
    assert found == OPERATIONAL | in_stages


def test_the_identity_of_a_profile_has_no_operational_field():
    profile = load_profile("demo")
    identity = identity_of(profile)
    assert not {"name", "engine", "tracking"} & {name for name, value in identity.items() if value}
    assert set(identity["training"]["trainer"]) == {"editor"}
    assert identity["training"]["dpo"]["pairs"].keys() == {
        "prompts",
        "samples_per_prompt",
        "evaluator_weight",
        "expert_share",
    }
    assert identity["demo"]["probe"] == {}
