"""The border between data and training: mixtures of kept samples, and the tensors that they need."""

import dagster as dg

from assets.cached.config import EncodeConfig, MixturesConfig
from assets.cached.encode import encode_cache
from assets.cached.leaks import leaked_groups
from assets.cached.mixture import build_mixtures
from assets.lake.lake import Lake
from assets.lake.materialize import materialize
from assets.lake.steps import StepOutput
from models.backends import BackendsConfig
from models.common.progress import Progress


@dg.asset(
    group_name="cached",
    kinds={"safetensors"},
    owners=["team:models"],
    code_version="1",
    deps=[
        "raw_samples",
        "captioned",
        "synthesized",
        "longtail",
        "deduped",
        "filtered",
        "deduped_pairs",
        "filtered_pairs",
        "postfiltered",
    ],
)
def train_cache(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    mixtures: dg.ResourceParam[MixturesConfig],
    encode: dg.ResourceParam[EncodeConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """One mixture a training stage (report Table 1), the codec, and the text features and latents they name.

    Writes `mixtures/`, `models/codec` and `cache/`; the trainer reads these and nothing else.
    """

    def build() -> StepOutput:
        mixed = build_mixtures(lake, mixtures, progress)
        encoded = encode_cache(lake, encode, backends.text_encoder, progress)
        return StepOutput((*mixed.files, *encoded.files), mixed.rows, {**mixed.facts, **encoded.facts})

    return materialize(context, lake, build)


@dg.asset_check(asset=train_cache, blocking=True)
def nothing_held_out_is_trained_on(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """No mixture trains on a group that is held out, nor on a picture of one."""
    leaked = leaked_groups(lake)
    shown = {"groups": len(leaked), "first": dg.MetadataValue.json(leaked[:20])}
    return dg.AssetCheckResult(passed=not leaked, metadata=shown)
