"""The training stages in their order; each starts from the result of the one before (report 3.3 to 3.6).

To add a stage, write one file with its class and add one entry here. Imports no Torch, because profiles and
asset definitions read this list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from trainers.config import CtConfig, DpoConfig, NftConfig, PretrainConfig, SftConfig, StageConfig

if TYPE_CHECKING:
    from trainers.stages.stage import Stage


@dataclass(frozen=True)
class StageSpec:
    """One training stage.

    Attributes:
        name: name of the stage, of its asset and of its section in the profile.
        config: class of that section.
        implementation: `module:class` of the stage, imported only in the trainer.
        version: version of its computation, part of the identity of a run. Raise it when equal settings and
            data would give different weights.
        description: description of the asset.
        rewarded: whether the evaluator can be part of its reward.
    """

    name: str
    config: type[StageConfig]
    implementation: str
    version: str
    description: str
    rewarded: bool = False

    def load(self) -> "type[Stage]":
        """Returns the class of the stage after importing its module."""
        module, _, name = self.implementation.partition(":")
        return getattr(import_module(module), name)


STAGES: tuple[StageSpec, ...] = (
    StageSpec(
        name="pretrain",
        config=PretrainConfig,
        implementation="trainers.stages.flow_matching:Pretrain",
        version="1",
        description="Pre-training (report 3.3): text-to-image samples and edits; noise levels start high and "
        "become uniform.",
    ),
    StageSpec(
        name="ct",
        config=CtConfig,
        implementation="trainers.stages.flow_matching:ContinuedPretrain",
        version="1",
        description="Continued pre-training (report 3.4): clusters of the data are drawn uniformly, captions "
        "are denser.",
    ),
    StageSpec(
        name="sft",
        config=SftConfig,
        implementation="trainers.stages.flow_matching:SupervisedFinetune",
        version="1",
        description="Supervised fine-tuning (report 3.5): strictly balanced data; the result is an "
        "average of the weights.",
    ),
    StageSpec(
        name="dpo",
        config=DpoConfig,
        implementation="trainers.stages.dpo:DirectPreference",
        version="1",
        description="Direct preference optimization (report 3.6.1) with positive sample reinforcement. The "
        "SFT model samples the pairs; the evaluator and the known truth rank them.",
        rewarded=True,
    ),
    StageSpec(
        name="nft",
        config=NftConfig,
        implementation="trainers.stages.nft:NegativeAwareFinetune",
        version="1",
        description="DiffusionNFT (report 3.6.2), online. The reward blends the evaluator's score with the "
        "known truth.",
        rewarded=True,
    ),
)

STAGE_NAMES: tuple[str, ...] = tuple(spec.name for spec in STAGES)

_SPECS: Mapping[str, StageSpec] = {spec.name: spec for spec in STAGES}


def stage_spec(name: str) -> StageSpec:
    """Returns the stage with a name.

    Raises:
        KeyError: no stage has this name.
    """
    return _SPECS[name]


def previous_stage(name: str) -> str | None:
    """Returns the stage whose result a stage starts from; None for the first stage."""
    position = STAGE_NAMES.index(name)
    return STAGE_NAMES[position - 1] if position else None
