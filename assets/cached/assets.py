"""The interface between data and training: mixtures of kept samples, and the tensors that they name."""

import dagster as dg

from assets.cached.config import EncodeConfig, MixturesConfig
from assets.cached.encode import encode_cache
from assets.cached.leaks import leaked_groups
from assets.cached.mixture import build_mixtures
from assets.lake.kept import PAIR_IMAGES_PATH
from assets.lake.lake import Lake
from assets.lake.materialize import materialize
from assets.lake.paths import CAPTION_TEXTS, EVALUATOR
from assets.lake.steps import StepOutput, handed_on
from models.backends import BackendsConfig
from models.common.progress import Progress

HANDED_ON = ("kept/*", CAPTION_TEXTS, PAIR_IMAGES_PATH, f"{EVALUATOR}/*")


@dg.asset(
    group_name="cached",
    kinds={"safetensors"},
    owners=["team:models"],
    code_version="1",
    deps=["captioned", "postfiltered"],
)
def training_cache(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    progress: dg.ResourceParam[Progress],
    mixtures: dg.ResourceParam[MixturesConfig],
    encode: dg.ResourceParam[EncodeConfig],
    backends: dg.ResourceParam[BackendsConfig],
) -> dg.MaterializeResult:
    """A mixture for each training stage (report Table 1), the codec, and the text features and latents.

    Writes `mixtures/`, `models/codec` and `cache/`, and hands on the evaluator and the kept tables. Read by
    the training stages, which read no other data asset, and by `bench_report`.
    """

    def build() -> StepOutput:
        mixed = build_mixtures(lake, mixtures, progress)
        encoded = encode_cache(lake, encode, backends.text_encoder, progress)
        kept = [path for step in ("captioned", "postfiltered") for path in handed_on(lake, step, *HANDED_ON)]
        facts = {**mixed.facts, **encoded.facts}
        return StepOutput((*mixed.files, *encoded.files, *kept), mixed.rows, facts)

    return materialize(context, lake, build)


@dg.asset_check(asset=training_cache, blocking=True)
def nothing_held_out_is_trained_on(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Checks that no mixture trains on a held-out group or on an image of one."""
    leaked = leaked_groups(lake)
    metadata = {"groups": len(leaked), "first": dg.MetadataValue.json(leaked[:20])}
    return dg.AssetCheckResult(passed=not leaked, metadata=metadata)
